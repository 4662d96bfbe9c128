# Maximum likelihood by Laplace's approximation of counts with slopes, crossed and nested factors:
#   Rscript glmm_several.R   (R 4.2.2, glmmTMB 1.1.5, lme4 1.1.31, jsonlite)
# writes glmm_several.json and ../data/grouse_ticks.csv beside it.
library(glmmTMB)
library(jsonlite)
data(VerbAgg, package = "lme4")
data(grouseticks, package = "lme4")
women <- read.csv("../data/contraception_women.csv", comment.char = "#")
grouseticks$height <- grouseticks$HEIGHT - 460
ticks <- grouseticks[c("TICKS", "YEAR", "height", "BROOD", "INDEX", "LOCATION")]
names(ticks) <- c("ticks", "year", "height", "brood", "chick", "location")
write.csv(ticks, "../data/grouse_ticks.csv", row.names = FALSE, quote = FALSE)
VerbAgg$y <- as.integer(VerbAgg$r2 == "Y")
tight <- glmmTMBControl(optCtrl = list(iter.max = 1e4, eval.max = 1e4, rel.tol = 1e-14))
told <- function(fit) {
  sds <- lapply(VarCorr(fit)$cond, function(v) as.list(attr(v, "stddev")))
  list(formula = deparse1(formula(fit)), log_likelihood = as.numeric(logLik(fit)),
       coefficients = as.list(fixef(fit)$cond),
       se = as.list(sqrt(diag(vcov(fit)$cond))), sds = sds)
}
fits <- list(
  verbal_aggression = glmmTMB(
    y ~ Anger + Gender + btype + situ + mode + (1 | id) + (1 | item),
    VerbAgg, binomial, control = tight),
  contraception_slopes = glmmTMB(
    use ~ age + I(age^2) + urban + livch + (urban | district),
    women, binomial, control = tight),
  grouse_ticks = glmmTMB(
    ticks ~ year + height + (1 | brood) + (1 | chick) + (1 | location),
    transform(ticks, year = factor(year)), poisson, control = tight)
)
write_json(lapply(fits, told), "glmm_several.json", digits = 10, auto_unbox = TRUE, pretty = TRUE)
