// The report's only script: choosing a layer, searching and zooming the network, and drawing what would be too many elements. Plain DOM, no
// dependencies; it is embedded in the page as it is.
'use strict';
(() => {
  const byId = (id) => document.getElementById(id);
  const panel = byId('panel');
  const chooser = byId('choose');
  const graph = byId('graph');
  const drawing = graph?.querySelector('svg');
  const layers = [...document.querySelectorAll('.node.layer')];

  // --- drawing

  const colours = () => {
    const style = getComputedStyle(document.documentElement);
    const of = (name) => style.getPropertyValue(name).trim();
    const triple = (text) => text.split(',').map(Number);
    const hex = of('--paper');
    const paper = [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16));
    return { paper, positive: triple(of('--positive')), negative: triple(of('--negative')), accent: of('--accent') };
  };

  const bytesOf = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));

  /** Cosine of rows i and j from the lower triangle. */
  const cosineAt = (values, i, j) =>
    i === j ? 1 : values[(Math.max(i, j) * (Math.max(i, j) - 1)) / 2 + Math.min(i, j)] / 127;

  function drawMatrix(canvas) {
    const values = new Int8Array(bytesOf(canvas.dataset.cosines).buffer);
    const n = canvas.width;
    const { paper, positive, negative } = colours();
    const context = canvas.getContext('2d');
    const image = context.createImageData(n, n);
    for (let i = 0; i < n; i++) {
      for (let j = 0; j < n; j++) {
        const s = cosineAt(values, i, j);
        const end = s < 0 ? negative : positive;
        const at = 4 * (i * n + j);
        for (let c = 0; c < 3; c++) image.data[at + c] = paper[c] + (end[c] - paper[c]) * Math.abs(s);
        image.data[at + 3] = 255;
      }
    }
    context.putImageData(image, 0, 0);
    canvas.dataset.drawn = String(n * n);
    const names = canvas.dataset.neurons.split(' ');
    cursor(canvas, n, n, (column, row) => {
      const s = cosineAt(values, row, column);
      return `neurons ${names[row]} and ${names[column]}: cosine ${s.toFixed(2)}`;
    });
  }

  function drawNeurons(canvas) {
    const bits = bytesOf(canvas.dataset.kept);
    const count = Number(canvas.dataset.count);
    const columns = Number(canvas.dataset.columns);
    const cell = Number(canvas.dataset.cell);
    const stays = (neuron) => (bits[neuron >> 3] & (1 << (neuron & 7))) !== 0;
    const context = canvas.getContext('2d');
    const { accent } = colours();
    context.clearRect(0, 0, canvas.width, canvas.height);
    context.fillStyle = accent;
    context.strokeStyle = accent;
    for (let neuron = 0; neuron < count; neuron++) {
      const [x, y] = [cell * (neuron % columns), cell * Math.floor(neuron / columns)];
      if (stays(neuron)) context.fillRect(x + 1, y + 1, cell - 2, cell - 2);
      else if (cell > 6) {
        context.globalAlpha = 0.5;
        context.strokeRect(x + 1.5, y + 1.5, cell - 3, cell - 3);
        context.globalAlpha = 1;
      }
    }
    canvas.dataset.drawn = String(count);
    cursor(canvas, columns, Math.ceil(count / columns), (column, row) => {
      const neuron = row * columns + column;
      return neuron < count ? `${neuron}: ${stays(neuron) ? 'stayed' : 'folded into others'}` : undefined;
    });
  }

  /** Reads single cells out, by pointer or arrow keys. */
  function cursor(canvas, columns, rows, text) {
    const readout = canvas.parentElement.querySelector('.readout');
    const resting = readout.textContent;
    let place = [0, 0];
    const show = ([column, row]) => {
      place = [Math.max(0, Math.min(columns - 1, column)), Math.max(0, Math.min(rows - 1, row))];
      readout.textContent = text(...place) ?? resting;
    };
    canvas.onpointermove = (event) => {
      const box = canvas.getBoundingClientRect();
      show([
        Math.floor(((event.clientX - box.left) / box.width) * columns),
        Math.floor(((event.clientY - box.top) / box.height) * rows),
      ]);
    };
    canvas.onpointerleave = () => {
      readout.textContent = resting;
    };
    canvas.onkeydown = (event) => {
      const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
      if (step === undefined) return;
      event.preventDefault();
      show([place[0] + step[0], place[1] + step[1]]);
    };
  }

  function drawAll() {
    for (const canvas of document.querySelectorAll('canvas[data-cosines]')) drawMatrix(canvas);
    for (const canvas of document.querySelectorAll('canvas[data-kept]')) drawNeurons(canvas);
  }

  // --- choosing a layer

  function choose(id) {
    const template = byId(id);
    if (template === null || panel === null) return;
    panel.replaceChildren(template.content.cloneNode(true));
    panel.dataset.shown = id;
    if (chooser.value !== id) chooser.value = id;
    for (const node of layers) {
      const chosen = node.dataset.panel === id;
      node.classList.toggle('chosen', chosen);
      node.setAttribute('aria-pressed', String(chosen));
    }
    drawAll();
  }

  function focusNode(node) {
    for (const other of layers) other.setAttribute('tabindex', other === node ? '0' : '-1');
    node.focus({ preventScroll: true });
    reveal(node);
  }

  /** Scrolls the network so that a node is in its middle; the page stays where it is. */
  function reveal(node) {
    const box = node.getBoundingClientRect();
    const frame = graph.getBoundingClientRect();
    graph.scrollLeft += box.left + box.width / 2 - frame.left - frame.width / 2;
    graph.scrollTop += box.top + box.height / 2 - frame.top - frame.height / 2;
  }

  layers.forEach((node, i) => {
    node.addEventListener('click', () => {
      focusNode(node);
      choose(node.dataset.panel);
    });
    node.addEventListener('keydown', (event) => {
      const to = {
        ArrowDown: i + 1,
        ArrowRight: i + 1,
        ArrowUp: i - 1,
        ArrowLeft: i - 1,
        Home: 0,
        End: layers.length - 1,
      }[event.key];
      if (to !== undefined) {
        event.preventDefault();
        if (layers[to] !== undefined) focusNode(layers[to]);
      } else if (event.key === 'Enter' || event.key === ' ') {
        event.preventDefault();
        choose(node.dataset.panel);
      }
    });
  });
  chooser?.addEventListener('change', () => {
    choose(chooser.value);
    const node = layers.find((n) => n.dataset.panel === chooser.value);
    if (node !== undefined) reveal(node);
  });

  // --- search

  const search = byId('search');
  let matches = [];
  let current = -1;
  search?.addEventListener('input', () => {
    const wanted = search.value.trim().toLowerCase();
    matches = wanted === '' ? [] : layers.filter((node) => node.dataset.search.includes(wanted));
    current = -1;
    for (const node of layers) {
      const match = matches.includes(node);
      node.classList.toggle('match', match);
      node.classList.toggle('miss', wanted !== '' && !match);
    }
    byId('found').textContent = wanted === '' ? '' : `${matches.length} found`;
    if (matches[0] !== undefined) reveal(matches[0]);
  });
  search?.addEventListener('keydown', (event) => {
    if (event.key !== 'Enter' || matches.length === 0) return;
    current = (current + 1) % matches.length;
    reveal(matches[current]);
    choose(matches[current].dataset.panel);
    byId('found').textContent = `${current + 1} of ${matches.length}`;
  });

  // --- zoom

  const full = drawing && {
    width: Number(drawing.getAttribute('width')),
    height: Number(drawing.getAttribute('height')),
  };
  let scale = 1;
  function zoom(to) {
    const next = Math.max(0.02, Math.min(4, to));
    const ratio = next / scale;
    const middle = [graph.scrollLeft + graph.clientWidth / 2, graph.scrollTop + graph.clientHeight / 2];
    scale = next;
    drawing.setAttribute('width', String(full.width * scale));
    drawing.setAttribute('height', String(full.height * scale));
    graph.scrollLeft = middle[0] * ratio - graph.clientWidth / 2;
    graph.scrollTop = middle[1] * ratio - graph.clientHeight / 2;
    graph.dataset.scale = scale.toFixed(3);
  }
  if (drawing) {
    byId('zoom-in').addEventListener('click', () => zoom(scale * 1.4));
    byId('zoom-out').addEventListener('click', () => zoom(scale / 1.4));
    byId('zoom-fit').addEventListener('click', () =>
      zoom(Math.min(graph.clientWidth / full.width, graph.clientHeight / full.height)),
    );
    graph.addEventListener(
      'wheel',
      (event) => {
        if (!event.ctrlKey && !event.metaKey) return;
        event.preventDefault();
        zoom(scale * Math.exp(-event.deltaY / 300));
      },
      { passive: false },
    );
    // Readable at first: as wide as the frame where that leaves the text legible.
    zoom(Math.max(0.75, Math.min(1, graph.clientWidth / full.width)));
    graph.scrollTop = 0;
    if (layers[0] !== undefined) {
      graph.scrollLeft = 0;
      const box = layers[0].getBoundingClientRect();
      graph.scrollLeft = box.left + box.width / 2 - graph.getBoundingClientRect().left - graph.clientWidth / 2;
    }
  }
  if (chooser?.value) choose(chooser.value);
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', drawAll);
  document.documentElement.dataset.ready = 'true';
})();
