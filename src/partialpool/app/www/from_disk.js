// Opened from a disk the page's modules do not load, which browsers forbid: say so. No module itself.

if (location.protocol === "file:") {
  addEventListener("DOMContentLoaded", () => {
    const said = document.createElement("p");
    said.className = "alone";
    said.textContent = "Browsers do not let this page work from a folder on a disk. Put the folder on a web server, or run “python -m http.server” inside it and open http://localhost:8000.";
    document.querySelector("main").append(said);
  });
}
