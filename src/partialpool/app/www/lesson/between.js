import * as claims from "../claims.js";
import { curve, estimates } from "../picture.js";
import { completePooling } from "../worlds.js";
import { AXIS, EXAMPLE, rows, seen, squaredError } from "./example.js";

export const between = {
  title: "Somewhere in between",
  sides: ["error"],
  mount(stage) {
    stage.lead("<p>Between the two lies <span class=\"partial-word\">partial pooling</span>: pull every average part of the way toward the average of all. <span class=\"ask\">Drag, and watch the error draw its curve.</span></p>");
    const grand = completePooling(seen(EXAMPLE)).mu;
    const groups = rows(EXAMPLE);
    const at = (pull) => EXAMPLE.mean.map((own) => own + pull * (grand - own));
    const errorAt = (pull) => squaredError(at(pull), EXAMPLE.theta);
    const [atZero, atHalf, atOne] = [0, 0.5, 1].map(errorAt);
    // The error is a parabola in the pull: three points tell it, and its lowest point.
    const bend = 2 * (atZero - 2 * atHalf + atOne);
    const slope = atOne - atZero - bend;
    const best = Math.min(1, Math.max(0, -slope / (2 * bend)));
    let pull = stage.number("pull", 0, 0, 100) / 100;
    let [low, high] = [0, pull];
    let moved = pull > 0;

    const data = () => ({
      groups: groups.map((group) => ({ ...group, partial: group.own + pull * (grand - group.own) })),
      grand, axis: AXIS, unit: "test score", rowsName: "pupils", words: { partial: "pulled", truth: "true level" },
      show: { no: true, partial: true, truth: true },
      title: pull === 0 ? "Nothing is pulled yet" : pulledTitle(groups, pull, grand),
    });
    const line = () => {
      const points = [];
      for (let i = Math.round(low * 100); i <= Math.round(high * 100); i++) points.push([i, errorAt(i / 100)]);
      const top = 5 * Math.ceil(Math.max(atZero, atOne) / 5) + 5;
      return { title: `At ${Math.round(100 * pull)}% the mean squared error is ${errorAt(pull).toFixed(1)}`, x: [0, 100], y: [0, top], unit: "pull toward the average of all, %", yTicks: true, height: 240,
        lines: [{ name: "error", points, kind: "partial" }],
        markers: [{ name: "now", x: pull * 100, y: errorAt(pull), kind: "partial" }], table: false };
    };
    const show = () => {
      picture.update(data());
      below.update(line());
      const lowest = low < best && best < high;
      stage.notice(!moved ? "" : `<p>${lowest || pull === 1 ? claims.pulled({ pull, error: errorAt(pull), best, bestError: errorAt(best), atZero, atOne }) : "Go on: where is the lowest point?"}</p>` +
        (lowest ? "<p><b>Notice</b>: all are pulled by the same share, so those farthest from the average of all move most and those near it hardly.</p>" : ""));
    };
    stage.slider({ label: "Pull toward the average of all", min: 0, max: 100, value: pull * 100, words: (value) => `${value}%`,
      onInput(value) {
        pull = value / 100;
        moved = true;
        [low, high] = [Math.min(low, pull), Math.max(high, pull)];
        stage.keep({ pull: value });
        show();
      } });
    const picture = estimates(stage.host(), data());
    const below = curve(stage.host(), line());
    show();
  },
};

function pulledTitle(groups, pull, grand) {
  const moves = (group) => Math.abs(pull * (grand - group.own));
  const most = groups.reduce((a, b) => (moves(b) > moves(a) ? b : a));
  const least = groups.reduce((a, b) => (moves(b) < moves(a) ? b : a));
  const points = moves(most);
  return `${most.name} is pulled ${points < 9.5 ? points.toFixed(1) : Math.round(points)} points, ${least.name} ${moves(least).toFixed(1)}`;
}
