const specs = JSON.parse(document.getElementById("specs").textContent);
const config = {
  background: null,
  font: "system-ui, sans-serif",
  view: { stroke: null },
  axis: { labelFontSize: 12, titleFontSize: 12, titleFontWeight: "normal", domain: false },
  legend: { labelFontSize: 12, symbolType: "circle" },
};
for (const [key, spec] of Object.entries(specs)) {
  const place = document.getElementById(`chart-${key}`);
  vegaEmbed(
    place,
    { width: "container", autosize: { type: "fit-x", contains: "padding" }, config, ...spec },
    { mode: "vega-lite", renderer: "svg", actions: false, ast: true, tooltip: { theme: "custom" } },
  ).then(
    () => { place.dataset.drawn = "yes"; },
    (error) => { place.textContent = "This browser could not draw the chart."; console.error(error); },
  );
}
