# Effect sizes, heterogeneity and correlated sampling errors by metafor 5.1-12 -> meta_analyst.json
library(metafor)
library(metadat)

bcg <- read.csv("../data/bcg.csv")
line <- as.list(dat.nielweise2007[c("ai", "n1i", "ci", "n2i")])
counts <- list(events1 = line$ai, n1 = line$n1i, events2 = line$ci, n2 = line$n2i)
none <- list(events1 = c(0, 0, 5, 12), n1 = c(20, 12, 5, 12), events2 = c(0, 3, 4, 9), n2 = c(25, 10, 9, 12))
stroke <- dat.normand1999
means <- list(mean1 = stroke$m1i, sd1 = stroke$sd1i, n1 = stroke$n1i,
              mean2 = stroke$m2i, sd2 = stroke$sd2i, n2 = stroke$n2i)
warfarin <- dat.hart1999
rates <- list(events1 = warfarin$x1i, time1 = warfarin$t1i, events2 = warfarin$x2i, time2 = warfarin$t2i)
adherence <- list(r = dat.molloy2014$ri, n = dat.molloy2014$ni)
clipping <- list(events = dat.pritz1997$xi, n = dat.pritz1997$ni)

row <- function(name, measure, columns, options, result)
  list(data = name, measure = measure, columns = columns, options = options,
       effect = as.numeric(result$yi), variance = as.numeric(result$vi))

two_by_two <- function(name, measure, x, options = list(), ...)
  row(name, measure, x, options, escalc(measure, ai = x$events1, n1i = x$n1, ci = x$events2, n2i = x$n2, ...))

sizes <- list()
for (measure in c("OR", "RR", "RD")) {
  x <- list(events1 = bcg$tpos, n1 = bcg$tpos + bcg$tneg, events2 = bcg$cpos, n2 = bcg$cpos + bcg$cneg)
  sizes <- c(sizes, list(
    two_by_two("bcg", measure, x),
    two_by_two("nielweise2007", measure, counts),
    two_by_two("zeros", measure, none),
    two_by_two("zeros", measure, none, list(to = "all"), to = "all"),
    two_by_two("zeros", measure, none, list(add = 0.1), add = 0.1),
    two_by_two("zeros", measure, none, list(double_zero = "missing"), drop00 = TRUE)))
}
for (measure in c("MD", "SMD", "ROM")) for (correct in c(TRUE, FALSE)) {
  result <- with(means, escalc(measure, m1i = mean1, sd1i = sd1, n1i = n1, m2i = mean2, sd2i = sd2, n2i = n2,
                               correct = correct))
  sizes <- c(sizes, list(row("normand1999", measure, means, list(correct = correct), result)))
}
sizes <- c(sizes, list(
  row("hart1999", "IRR", rates, list(),
      with(rates, escalc("IRR", x1i = events1, t1i = time1, x2i = events2, t2i = time2))),
  row("molloy2014", "ZCOR", adherence, list(), with(adherence, escalc("ZCOR", ri = r, ni = n))),
  row("pritz1997", "PLO", clipping, list(), with(clipping, escalc("PLO", xi = events, ni = n))),
  row("pritz1997", "PAS", clipping, list(), with(clipping, escalc("PAS", xi = events, ni = n)))))
zero_rates <- list(events1 = c(0, 3, 0), time1 = c(10, 20, 30.5), events2 = c(2, 0, 0), time2 = c(11, 21, 31))
sizes <- c(sizes, list(row("zeros", "IRR", zero_rates, list(),
  with(zero_rates, escalc("IRR", x1i = events1, t1i = time1, x2i = events2, t2i = time2)))))

model <- function(data, effect, mods, method) {
  args <- list(effect$yi, effect$vi, method = method)
  if (!is.null(mods)) args$mods <- mods
  wald <- do.call(rma, args)
  hartung <- do.call(rma, c(args, test = "knha"))
  interval <- confint(wald, control = list(tol = 1e-12, tau2.max = 1000))$random
  alone <- if (is.null(mods)) lapply(list(wald, hartung), function(r) {
    p <- predict(r, predtype = "Riley")
    c(p$pi.lb, p$pi.ub) }) else NULL
  list(data = data, method = method, tau2 = wald$tau2, q = wald$QE, p = wald$QEp, i2 = wald$I2 / 100,
       i2_interval = interval["I^2(%)", c("ci.lb", "ci.ub")] / 100,
       tau_interval = interval["tau", c("ci.lb", "ci.ub")],
       estimate = as.numeric(wald$beta), se = wald$se, lower = wald$ci.lb, upper = wald$ci.ub,
       hartung_se = hartung$se, hartung_lower = hartung$ci.lb, hartung_upper = hartung$ci.ub,
       prediction = alone)
}
risk <- escalc("RR", ai = tpos, bi = tneg, ci = cpos, di = cneg, data = bcg)
smd <- with(means, escalc("SMD", m1i = mean1, sd1i = sd1, n1i = n1, m2i = mean2, sd2i = sd2, n2i = n2))
models <- list()
for (method in c("REML", "DL", "PM")) models <- c(models, list(
  model("bcg", risk, NULL, method),
  model("bcg ~ ablat", risk, as.matrix(bcg$ablat), method),
  model("normand1999", smd, NULL, method)))

gum <- dat.berkey1998
V <- vcalc(vi = 1, cluster = author, rvars = c(v1i, v2i), data = gum)
rho <- vcalc(vi, cluster = trial, obs = outcome, rho = 0.6, data = gum)
correlated <- list()
for (method in c("REML", "ML")) for (covariance in c("published", "rho")) {
  r <- rma.mv(yi, if (covariance == "rho") rho else V, mods = ~ outcome, random = ~ 1 | trial/outcome, data = gum, method = method,
              control = list(optimizer = "optim", optmethod = "Nelder-Mead", reltol = 1e-15, maxit = 5000))
  correlated <- c(correlated, list(list(covariance = covariance, method = method, estimate = as.numeric(r$beta), se = r$se,
    sigma2 = r$sigma2, log_likelihood = as.numeric(logLik(r)))))
}

writeLines(jsonlite::toJSON(list(software = "metafor 5.1-12", sizes = sizes, models = models,
  gum = list(trial = gum$trial, outcome = gum$outcome, effect = as.numeric(gum$yi), variance = gum$vi,
             v1 = gum$v1i, v2 = gum$v2i),
  correlated = correlated), digits = NA, auto_unbox = TRUE, pretty = FALSE, null = "null", na = "null"),
  "meta_analyst.json")
