/* Shows the notebook of this page as slides, with all of it alive: cells run, sliders move.
   In: `options`, see views/presenter.py, and the `element` of the cell's output. It changes how the page looks and
   nothing in the notebook; end() puts everything back. It works in JupyterLab 4 and in Notebook 7. */
const HIDDEN = ["skip", "notes"];
const HIDDEN_TAGS = ["remove-cell", "hide-cell"];
const TYPES_IN = ".cm-editor, textarea, select, [contenteditable=true], [role=slider], [role=spinbutton], [role=listbox], " +
    "input:not([type=checkbox]):not([type=radio]):not([type=button])";
const MOVES_IN = TYPES_IN + ", input[type=radio], .jp-OutputArea [tabindex]";

const panel = element.closest(".jp-NotebookPanel")
    || [...document.querySelectorAll(".jp-NotebookPanel")].find(each => each.offsetParent);
if (window.nanochatPresenter) window.nanochatPresenter.end();
if (panel) window.nanochatPresenter = present(panel, options);

// --- the notebook: which cells it has, and what each is for

/* The notebook as JupyterLab holds it, with unsaved changes. There is no official way to it from an output, but the
   buttons above the notebook know it. Returns undefined where they do not. */
function findNotebook(panel) {
    for (const node of panel.querySelectorAll("*")) {
        const key = Object.keys(node).find(each => each.startsWith("__reactFiber"));
        for (let fiber = key && node[key]; fiber; fiber = fiber.return) {
            const found = Object.values(fiber.memoizedProps || {}).find(each => each?.widgets && each.notebookConfig);
            if (found && panel.contains(found.node)) return found;
        }
    }
}

/* All cells in their order: node, kind (a slide type, "hide" or "") and whether it is code. */
function findCells(panel, notebook) {
    if (!notebook) return cellsByStructure(panel);
    return notebook.widgets.map(({node, model}) => {
        const kind = model.getMetadata("slideshow")?.slide_type || "";
        const tags = model.getMetadata("tags") || [];
        const hides = HIDDEN.includes(kind) || HIDDEN_TAGS.some(tag => tags.includes(tag))
            || callsPresenter(model.sharedModel.getSource());
        return {node, kind: hides ? "hide" : kind, isCode: model.type === "code"};
    });
}

function callsPresenter(source) {
    return /^([^#\n]*[\s;.])?presenter\(/m.test(source);
}

/* Where the notebook cannot be asked: a heading begins a page; what comes before the second heading is set-up. */
function cellsByStructure(panel) {
    let nHeadings = 0;
    return [...panel.querySelectorAll(".jp-Cell")].map(node => {
        const isCode = node.classList.contains("jp-CodeCell");
        const hasHeading = Boolean(node.querySelector(".jp-RenderedHTMLCommon :is(h1, h2)")) && !isCode;
        nHeadings += hasHeading;
        const hides = isCode && (nHeadings < 2 || node.querySelector(".jp-InputArea.jp-mod-inputHidden, .jp-Placeholder")
            || callsPresenter(node.querySelector(".jp-InputArea").innerText));
        return {node, kind: hides ? "hide" : hasHeading ? "slide" : "", isCode};
    });
}

/* Pages are lists of cells; `step` of a cell: how often "next" must be pressed on its page until it is there. */
function makePages(cells) {
    const pages = [];
    for (const cell of cells.filter(each => each.kind !== "hide")) {
        if (!pages.length || cell.kind === "slide" || cell.kind === "subslide") pages.push([]);
        const page = pages[pages.length - 1];
        const before = page.length ? page[page.length - 1].step : 0;
        page.push({...cell, step: before + (cell.kind === "fragment" && page.length > 0)});
    }
    return pages;
}

// --- the presentation

function present(panel, options) {
    const notebook = findNotebook(panel);
    const config = notebook?.notebookConfig;
    if (config) notebook.notebookConfig = {...config, windowingMode: "none"};  // all cells are on the page then
    const scroller = panel.querySelector(".jp-WindowedPanel-outer") || panel.querySelector(".jp-Notebook");
    const before = {top: scroller.scrollTop, active: notebook?.activeCellIndex};
    const startedAt = Date.now();
    const memory = (window.nanochatPages = window.nanochatPages || {});
    const name = document.title;
    let pages = makePages(findCells(panel, notebook));
    let place = Math.min(memory[name] || 0, pages.length - 1), step = 0;

    const style = document.createElement("style");
    style.textContent = options.css;
    const bar = makeBar(options, {previous, next, end});
    document.head.append(style);
    document.body.append(bar.node);
    document.body.classList.add("nc-presenting");
    panel.classList.add("nc-stage");
    for (let node = panel.parentElement; node !== document.body; node = node.parentElement) node.classList.add("nc-way");
    let newest = null;
    const growing = new ResizeObserver(() => newest && bringIntoView(newest));
    window.addEventListener("keydown", onKey, true);
    for (const kind of ["wheel", "pointerdown"]) window.addEventListener(kind, leaveAlone, true);
    document.addEventListener("focusin", tellWhoHasTheKeys);
    document.addEventListener("focusout", tellWhoHasTheKeys);
    const clock = setInterval(tellTime, 1000);
    tellTime();
    show();
    return {end};

    function show() {
        pages = makePages(findCells(panel, notebook));  // anew: cells may have been added
        if (!pages.length) return end();
        place = Math.min(place, pages.length - 1);
        memory[name] = place;
        const shown = new Set(pages[place].filter(each => each.step <= step).map(each => each.node));
        for (const node of panel.querySelectorAll(".jp-Cell")) node.classList.toggle("nc-off", !shown.has(node));
        bar.tellPage(place + 1, pages.length);
        makeActive(pages[place].filter(each => each.step <= step));
    }

    /* The newest code cell is the one that Shift and Enter run. */
    function makeActive(cells) {
        const cell = cells.filter(each => each.isCode).pop() || cells[cells.length - 1];
        if (!notebook) return cell.node.querySelector(".jp-InputPrompt")?.dispatchEvent(new MouseEvent("mousedown", {bubbles: true}));
        notebook.mode = "command";
        notebook.activeCellIndex = notebook.widgets.findIndex(each => each.node === cell.node);
        notebook.deselectAll();
        cell.node.focus({preventScroll: true});
    }

    function go(newPlace, newStep) {
        leaveAlone();
        [place, step] = [newPlace, newStep];
        show();
        scroller.scrollTop = 0;
        if (step) bringIntoView(lastOf(pages[place].filter(each => each.step <= step)).node);
    }

    function next() {
        if (scroller.scrollTop + scroller.clientHeight < scroller.scrollHeight - 8)
            return scroller.scrollBy({top: 0.8 * scroller.clientHeight});
        if (step < lastOf(pages[place]).step) {
            step += 1;
            show();
            return bringIntoView(lastOf(pages[place].filter(each => each.step <= step)).node);
        }
        if (place < pages.length - 1) go(place + 1, 0);
    }

    function previous() {
        if (scroller.scrollTop > 8) return scroller.scrollBy({top: -0.8 * scroller.clientHeight});
        if (step > 0) return go(place, step - 1);
        if (place > 0) go(place - 1, lastOf(pages[place - 1]).step);
    }

    function bringIntoView(node) {
        const isTall = node.offsetHeight > scroller.clientHeight - 20;
        node.scrollIntoView({block: isTall ? "start" : "nearest"});
    }

    /* After a cell was run, the page follows what it shows, until the teacher scrolls, clicks or goes on. */
    function follow(node) {
        newest = node;
        growing.observe(node);
    }

    function leaveAlone() {
        newest = null;
        growing.disconnect();
    }

    // --- keys

    function onKey(event) {
        if (!event.isTrusted || event.isComposing || document.querySelector(".jp-Dialog")) return;
        const {key} = event, target = event.target, inBar = bar.node.contains(target);
        if (key === "Enter" && (event.shiftKey || event.ctrlKey || event.metaKey || event.altKey)) return run(event);
        if (event.ctrlKey || event.metaKey || event.altKey) return;
        if (key === "Escape") return onEscape(event);
        if (key === "Tab" || key === "Shift") return;
        if (target.closest(TYPES_IN) || (key.startsWith("Arrow") && target.closest(MOVES_IN))) return;
        const isPressed = (key === " " || key === "Enter") && (inBar || target.closest("button, input, summary, a, .jp-OutputArea"));
        if (isPressed) return;
        const action = {PageDown: next, ArrowRight: next, ArrowDown: next, PageUp: previous, ArrowLeft: previous,
            ArrowUp: previous, " ": next, Home: () => go(0, 0), End: () => go(pages.length - 1, 0),
            b: dark, B: dark, ".": dark}[key];
        if (key === "Enter" && activeCell()?.classList.contains("jp-CodeCell")) return;  // begins to edit
        event.preventDefault();  // in a notebook letters are commands: nothing may be deleted by mistake
        event.stopImmediatePropagation();
        if (action) action();
    }

    function dark() {
        document.body.classList.toggle("nc-dark");
    }

    function activeCell() {
        return panel.querySelector(".jp-Cell.jp-mod-active:not(.nc-off)");
    }

    /* Run the cell and stay on it: the one below may not be on this page. */
    function run(event) {
        event.preventDefault();
        event.stopImmediatePropagation();
        const cell = event.target.closest(".jp-Cell") || activeCell();
        if (!cell || cell.classList.contains("nc-off")) return;
        follow(cell);
        const target = panel.contains(event.target) ? event.target : cell;
        const init = {key: "Enter", code: "Enter", keyCode: 13, ctrlKey: true, bubbles: true, cancelable: true};
        target.dispatchEvent(new KeyboardEvent("keydown", init));
    }

    /* The first time it gives the keys back from a cell or a control, then it ends the presentation. */
    function onEscape(event) {
        if (event.target.closest(".cm-editor")) return;  // the notebook itself leaves the cell
        event.preventDefault();
        event.stopImmediatePropagation();
        if (event.target.closest(".jp-OutputArea") || event.target.closest(TYPES_IN)) return show();
        if (document.body.classList.contains("nc-dark")) return dark();
        end();
    }

    function tellWhoHasTheKeys() {
        const owner = document.activeElement;
        bar.tellKeys(Boolean(owner?.closest(TYPES_IN)) && panel.contains(owner));
    }

    function tellTime() {
        bar.tellTime(Math.floor((Date.now() - startedAt) / 1000));
    }

    function end() {
        clearInterval(clock);
        leaveAlone();
        window.removeEventListener("keydown", onKey, true);
        for (const kind of ["wheel", "pointerdown"]) window.removeEventListener(kind, leaveAlone, true);
        document.removeEventListener("focusin", tellWhoHasTheKeys);
        document.removeEventListener("focusout", tellWhoHasTheKeys);
        for (const node of document.querySelectorAll(".nc-off")) node.classList.remove("nc-off");
        document.body.classList.remove("nc-presenting", "nc-dark");
        panel.classList.remove("nc-stage");
        for (const node of document.querySelectorAll(".nc-way")) node.classList.remove("nc-way");
        bar.node.remove();
        style.remove();
        if (config) notebook.notebookConfig = config;
        if (notebook && before.active < notebook.widgets.length) notebook.activeCellIndex = before.active;
        scroller.scrollTop = before.top;
        window.nanochatPresenter = undefined;
    }
}

function lastOf(list) {
    return list[list.length - 1];
}

// --- the bar below the page

function makeBar({minutes, words}, {previous, next, end}) {
    const node = document.createElement("div");
    node.className = "nc-bar-below";
    node.setAttribute("role", "toolbar");
    node.setAttribute("aria-label", words.bar);
    const page = part("span"), keys = part("span"), time = part("span");
    node.append(button("◀", words.previous, previous), page, button("▶", words.next, next), keys, time,
        button(words.end, words.end_long, end));
    keys.className = "nc-bar-keys";
    keys.setAttribute("role", "status");
    time.setAttribute("role", "timer");
    return {node, tellPage, tellKeys, tellTime};

    function part(kind) {
        return document.createElement(kind);
    }

    function button(text, label, action) {
        const made = part("button");
        Object.assign(made, {textContent: text, title: label, onclick: action});
        made.setAttribute("aria-label", label);
        return made;
    }

    function tellPage(number, total) {
        page.textContent = words.page.replace("NUMBER", number).replace("TOTAL", total);
    }

    function tellKeys(isTaken) {
        keys.textContent = isTaken ? words.keys : "";
    }

    function tellTime(seconds) {
        const clock = `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
        const left = minutes - Math.floor(seconds / 60);
        const told = left >= 0 ? words.left.replace("MINUTES", left) : words.over.replace("MINUTES", -left);
        time.textContent = `${clock} · ${told}`;
    }
}
