// The steps in their order.

import { bestSchool } from "./best_school.js";
import { twoAnswers } from "./two_answers.js";
import { between } from "./between.js";
import { model } from "./model.js";
import { howFar } from "./how_far.js";
import { whichTau } from "./which_tau.js";
import { howSure } from "./how_sure.js";
import { biasAndVariance } from "./bias_and_variance.js";
import { moreGroups } from "./more_groups.js";
import { whenItHurts } from "./when_it_hurts.js";
import { stein } from "./stein.js";
import { eightSchools } from "./eight_schools.js";
import { uses } from "./uses.js";
import { yourData } from "./your_data.js";
import { yourFile } from "./your_file.js";

export const STEPS = [
  bestSchool, twoAnswers, between, model, howFar, whichTau, howSure, biasAndVariance, moreGroups,
  whenItHurts, stein, eightSchools, uses, yourData, yourFile,
];
