# Maximum likelihood of negative binomial and beta-binomial rows, by Laplace's approximation:
#   Rscript glmm_dispersed.R   (R 4.2.2, glmmTMB 1.1.5, lme4 1.1.31, jsonlite)
# writes glmm_dispersed.json beside it.
library(glmmTMB)
library(jsonlite)
data(cbpp, package = "lme4")
epil <- read.csv("../data/epil.csv")
epil <- transform(epil, treated = as.numeric(trt == "progabide"), lbase = log(base / 4))
ticks <- read.csv("../data/grouse_ticks.csv")
ticks$year <- factor(ticks$year)
salamanders <- read.csv("../../../src/partialpool/datasets/salamanders.csv")
women <- read.csv("../data/contraception_women.csv", comment.char = "#")
cells <- aggregate(cbind(use, women = 1) ~ district + urban + livch, women, sum)
tight <- glmmTMBControl(optCtrl = list(iter.max = 1e4, eval.max = 1e4, rel.tol = 1e-14))
told <- function(fit) {
  sds <- lapply(VarCorr(fit)$cond, function(v) as.list(attr(v, "stddev")))
  list(formula = deparse1(formula(fit)), log_likelihood = as.numeric(logLik(fit)),
       coefficients = as.list(fixef(fit)$cond), se = as.list(sqrt(diag(vcov(fit)$cond))),
       sds = sds, dispersion = 1 / sqrt(sigma(fit)))
}
fits <- list(
  epil = glmmTMB(y ~ treated + lbase + (1 | subject), epil, nbinom2, control = tight),
  epil_slopes = glmmTMB(y ~ treated + fourth + (fourth | subject), epil, nbinom2,
                        control = tight),
  epil_exposure = glmmTMB(y ~ treated + offset(log(age)) + (1 | subject), epil, nbinom2,
                          control = tight),
  grouse_ticks = glmmTMB(ticks ~ year + height + (1 | brood) + (1 | location), ticks, nbinom2,
                         control = tight),
  salamanders = glmmTMB(count ~ mined + species + offset(log(surveys)) + (1 | site),
                        salamanders, nbinom2, control = tight),
  contraception = glmmTMB(cbind(use, women - use) ~ urban + (1 | district), cells, betabinomial,
                          control = tight),
  cbpp = glmmTMB(cbind(incidence, size - incidence) ~ period + (1 | herd), cbpp, betabinomial,
                 control = tight)
)
write_json(lapply(fits, told), "glmm_dispersed.json", digits = 10, auto_unbox = TRUE,
           pretty = TRUE)
