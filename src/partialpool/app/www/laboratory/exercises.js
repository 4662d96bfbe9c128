// The classic simulator's five exercises: a setting, a question, and an answer made of the numbers
// (`averaged`: also of those over worlds).

import * as claims from "./claims.js";

const answered = (state, facts, averages) => [
  claims.noiseAgainstSpread(state),
  claims.keeps(facts),
  averages ? claims.expectedErrors(averages) : "",
];

export const EXERCISES = [
  {
    title: "5 students a school", set: { groups: 12, n: 5, tau: 5 },
    ask: "How far are the rings from their crosses when every average rests on five students?",
    averaged: true, answer: answered,
  },
  {
    title: "100 students a school", set: { groups: 12, n: 100, tau: 5 },
    ask: "With a hundred students, does pooling still change anything?",
    averaged: true, answer: answered,
  },
  {
    title: "Schools alike: τ = 1", set: { groups: 12, n: 15, tau: 1 },
    ask: "When schools hardly differ, which of the three estimates would you believe?",
    averaged: true, answer: answered,
  },
  {
    title: "Schools far apart: τ = 15", set: { groups: 12, n: 15, tau: 15 },
    ask: "When schools differ widely, what is left of the pull, and what becomes of complete pooling?",
    averaged: true,
    answer: (state, facts, averages) =>
      [...answered(state, facts, averages), averages ? claims.timesAsLarge(averages) : ""],
  },
  {
    title: "Read the arrows", set: { groups: 12, n: 15, tau: 5 },
    ask: "Which schools have the long arrows, and which have hardly any?",
    answer: (_state, facts) => [claims.arrows(facts)],
  },
];

/** The exercise (1 to 5) that is on the page, if its settings are. */
export function current(state) {
  const exercise = state.view === "classic" && state.exercise ? EXERCISES[state.exercise - 1] : null;
  return exercise && Object.entries(exercise.set).every(([name, value]) => state[name] === value) ? exercise : null;
}
