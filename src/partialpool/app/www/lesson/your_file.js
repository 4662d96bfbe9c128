export const yourFile = {
  title: "Your file",
  sides: ["names"],
  mount(stage) {
    stage.lead("<p>Now your own groups. A table with one row per pupil, patient, visit or sale and a column that names the group is enough; so is one row per group with its size, mean and spread. You get the same pictures, of your groups.</p>" +
      `<p><a class="open-file" href="?part=file${stage.embed ? "&amp;embed=1" : ""}" data-part-link="file">Open a table</a></p>`);
    stage.notice("<p>To take with you: the top of a table misleads, most where groups are small. τ, the spread between groups, says how far to pull, and the data tell it only roughly. Pooling is better on average, not for everyone.</p>" +
      `<p>To play on: the <a href="?part=laboratory${stage.embed ? "&amp;embed=1" : ""}" data-part-link="laboratory">laboratory</a> has every setting of these worlds.</p>`, { say: false });
    const host = stage.host("sample");
    host.innerHTML = '<figcaption class="picture-title">Two tables that will do</figcaption><div class="pair">' +
      table([["school", "score"], ["North", "71"], ["North", "64"], ["Hill", "83"], ["…", "…"]], "one row per pupil") +
      table([["school", "pupils", "mean", "sd"], ["North", "12", "68.0", "9.1"], ["Hill", "3", "82.6", "7.4"], ["…", "…", "…", "…"]], "one row per school") + "</div>";
  },
};

function table([heads, ...rows], caption) {
  return `<table><caption>${caption}</caption><thead><tr>${heads.map((cell) => `<th scope="col">${cell}</th>`).join("")}</tr></thead><tbody>` +
    rows.map((row) => `<tr>${row.map((cell) => `<td>${cell}</td>`).join("")}</tr>`).join("") + "</tbody></table>";
}
