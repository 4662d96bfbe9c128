// Side notes, one tap away, one paragraph each.

function side(summary, ...paragraphs) {
  return `<details class="side"><summary>${summary}</summary>${paragraphs.map((text) => `<p>${text}</p>`).join("")}</details>`;
}

function cite(words, doi) {
  return `<a href="https://doi.org/${doi}" rel="noreferrer" target="_blank">${words}</a>`;
}

export const SIDES = {
  names: side("Also known as",
    "One idea, many names: <b>hierarchical</b> and <b>multilevel</b> models, <b>random effects</b> and mixed models, <b>BLUP</b> (best linear unbiased prediction, in breeding), <b>empirical Bayes</b>, <b>credibility</b> (in insurance), <b>small area estimation</b> (in official statistics), <b>random-effects meta-analysis</b> (in medicine). What they share: groups come from a population, and each estimate is drawn toward it."),
  error: side("What the numbers after ± are",
    "Averages over simulated worlds depend a little on which worlds were drawn. The number after ± is their standard error: with all the worlds there are, the average would lie within two of it about 95 times of 100. The mean squared error is the mean, over schools, of the squared distance between estimate and truth."),
  weight: side("The classic simulator’s arithmetic",
    "The classic simulator of this subject takes σ = 10 as known and estimates τ² as the variance of the schools’ averages less σ²/n, but at least 0.01. Every school then gets the same weight, τ²/(τ² + σ²/n), on its own average. That is the weight of the beam: multiply above and below by n/(σ²τ²). The laboratory has this setting as one click."),
  posterior: side("What a posterior is",
    "Before the data, some values of τ are as believable as others: that is the prior, here the same for all. Each value then gains or loses belief by how well it foretold the data. What results, a curve over all values, is the <b>posterior</b> distribution: its area between two values is the probability that τ lies there. Every school’s level has one too; the band is the middle 95% of it."),
  who: side("Who found what",
    `Charles Stein showed in ${cite("1956", "10.1525/9780520313880-018")} that own means can be beaten, and with Willard James in ${cite("1961", "10.1007/978-1-4612-0919-5_30")} by which estimate. Dennis Lindley and Adrian Smith gave the hierarchical model its Bayesian form in ${cite("1972", "10.1111/j.2517-6161.1972.tb00885.x")}. Bradley Efron and Carl Morris made it known with baseball in ${cite("1975", "10.1080/01621459.1975.10479864")}. Donald Rubin analysed the eight schools in ${cite("1981", "10.3102/10769986006004377")}. The textbook is Gelman et al., ${cite("Bayesian Data Analysis", "10.1201/b16018")}, 2013.`),
  stein: side("The estimate",
    "With k measurements y of noise 1, James and Stein’s estimate multiplies each distance from the fixed point by 1 − (k − 2)/S, where S is the sum of all squared distances; toward their own mean by 1 − (k − 3)/S. A factor below zero is set to zero. Each measurement thus depends on all others, though nothing joins them but the sum of errors that is looked at."),
  fixed: side("Clustered standard errors, in one paragraph",
    "They leave the estimate of pooling all rows as it is and widen its interval for rows of a group being alike. That is enough if only one overall effect is asked for and there are many groups, say thirty or more. They say nothing about any single group."),
};
