/* Fits the pictures of each page into it, then hands the pages to reveal.js. Text keeps its size: a page with too much
   text stays too long, and a test finds it. */
const LARGEST = 1.6, SMALLEST = 0.76, STEP = 0.04, PAGE = {width: 1280, height: 720};

function bottomOf(page) {
  const inner = [...page.children].filter((part) => !part.matches(".live, aside"));
  return Math.max(0, ...inner.map((part) => part.getBoundingClientRect().bottom)) - page.getBoundingClientRect().top;
}

function widestOf(page) {
  const left = page.getBoundingClientRect().left;
  const parts = page.querySelectorAll(":scope > *, .picture *, pre, table, img");
  return Math.max(0, ...[...parts].map((part) => part.getBoundingClientRect().right)) - left;
}

function fits(page) {
  const style = getComputedStyle(page);
  return bottomOf(page) <= PAGE.height - parseFloat(style.paddingBottom) + 1
    && widestOf(page) <= PAGE.width - parseFloat(style.paddingRight) / 2;
}

function fit(page) {
  const pictures = page.querySelectorAll(".picture");
  let zoom = LARGEST;
  const apply = () => pictures.forEach((picture) => picture.style.setProperty("--zoom", zoom.toFixed(2)));
  for (apply(); pictures.length && zoom > SMALLEST && !fits(page); apply()) zoom -= STEP;
  page.dataset.height = Math.ceil(bottomOf(page));
  page.dataset.width = Math.ceil(widestOf(page));
  page.dataset.fits = fits(page);
  if (pictures.length) page.dataset.zoom = zoom.toFixed(2);
}

document.body.classList.add("measuring");
document.querySelectorAll(".slides section:not(:has(> section))").forEach(fit);
document.body.classList.remove("measuring");

Reveal.initialize({
  ...PAGE, margin: 0, minScale: 0.1, maxScale: 4, center: false, hash: true, transition: "none", slideNumber: "c/t",
  controls: true, progress: true, plugins: [RevealNotes], pdfSeparateFragments: false,
});
