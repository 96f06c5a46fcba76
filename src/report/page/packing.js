// The packing picture: nodes as boxes, pods as rectangles, at the time that the slider says.
"use strict";
(() => {
  const holder = document.getElementById("packing-data");
  if (!holder) return;
  const data = JSON.parse(holder.textContent);
  const byId = (name) => document.getElementById("packing-" + name);
  const [canvas, slider, clock, play, filter, limit, legend, state, tip] =
    ["picture", "time", "clock", "play", "filter", "limit", "legend", "state", "tip"].map(byId);
  const pen = canvas.getContext("2d");
  const { nodes, pods } = data;
  const end = data.end || 0;
  const COLORS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7a52a8", "#b8a100", "#a0522d"];
  const OTHER = "#8a8f98";
  const colorOf = (template) => (template < COLORS.length ? COLORS[template] : OTHER);
  const PLAY_MS = 14000;

  // Pods by node, so that a hidden node costs nothing.
  const podsOf = nodes.name.map(() => []);
  pods.gpuList = pods.gpus.map((text) => (text === "" ? [] : text.split("-").map(Number)));
  pods.node.forEach((node, pod) => podsOf[node].push(pod));
  const aliveAt = (pod, time) => pods.from[pod] <= time && (pods.to[pod] === null || time < pods.to[pod]);
  const thereAt = (node, time) => data.clock !== "seconds" ||
    ((nodes.added[node] ?? 0) <= time && (nodes.removed[node] === null || time < nodes.removed[node]));

  const number = (value) => {
    const rounded = Math.abs(value) >= 100 ? Math.round(value) : Math.round(value * 100) / 100;
    return rounded.toLocaleString("en");
  };
  const timeText = (time) => {
    if (data.clock === "arrivals") return number(Math.floor(time)) + " pods arrived";
    if (end < 600) return number(time) + " s";
    if (end < 14400) return number(time / 60) + " min";
    if (end < 345600) return number(time / 3600) + " h";
    return number(time / 86400) + " d";
  };
  const memoryText = (bytes) => number(bytes / 2 ** 30) + " GiB";

  // Start where most pods are placed: an end without pods would greet the reader with empty boxes.
  const busiest = () => {
    const changes = [];
    pods.from.forEach((from, pod) => {
      changes.push([from, 1]);
      if (pods.to[pod] !== null) changes.push([pods.to[pod], -1]);
    });
    changes.sort((left, right) => left[0] - right[0] || left[1] - right[1]);
    let [count, most, at] = [0, 0, end];
    for (const [time, change] of changes) {
      count += change;
      if (count > most) [most, at] = [count, time];
    }
    return at;
  };

  let pinned = null; // the template that a click on the legend singles out
  let boxes = []; // what is drawn where, for the pointer
  const theme = {};
  const readTheme = () => {
    const style = getComputedStyle(document.documentElement);
    for (const name of ["card", "ink", "muted", "line", "empty"]) theme[name] = style.getPropertyValue("--" + name).trim();
  };

  const shownNodes = () => {
    const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
    const shown = [];
    let matching = 0;
    nodes.name.forEach((name, node) => {
      const text = [name, nodes.pool[node], nodes.zone[node], nodes.model[node]].join(" ").toLowerCase();
      if (!words.every((word) => text.includes(word))) return;
      matching += 1;
      if (shown.length < Number(limit.value)) shown.push(node);
    });
    return { shown, matching };
  };

  const fill = (color, left, top, width, height) => {
    pen.fillStyle = color;
    pen.fillRect(left, top, width, height);
  };

  const podBlock = (box, pod, left, top, width, height) => {
    if (width <= 0 || height <= 0) return;
    const template = pods.template[pod];
    pen.globalAlpha = pinned === null || pinned === template ? 1 : 0.18;
    fill(colorOf(template), left, top, width, height);
    // A thin gap tells neighbours of one template apart.
    if (width > 2.5 && height > 2.5) {
      pen.strokeStyle = theme.card;
      pen.lineWidth = 0.75;
      pen.strokeRect(left + 0.375, top + 0.375, width - 0.75, height - 0.75);
    }
    pen.globalAlpha = 1;
    box.blocks.push({ pod, left, top, right: left + width, bottom: top + height });
  };

  const bar = (box, alive, amounts, capacity, label, top) => {
    const [left, width, height] = [box.left + 34, box.right - box.left - 42, 11];
    pen.fillStyle = theme.muted;
    pen.fillText(label, box.left + 8, top + height / 2 + 0.5);
    fill(theme.empty, left, top, width, height);
    let used = 0;
    for (const pod of alive) {
      const share = capacity > 0 ? Math.min(amounts[pod] / capacity, 1 - used) : 0;
      podBlock(box, pod, left + used * width, top, share * width, height);
      used += Math.max(share, 0);
    }
    return used;
  };

  const gpuCells = (box, alive, count, top) => {
    const [left, width, height, gap] = [box.left + 34, box.right - box.left - 42, 24, 3];
    pen.fillStyle = theme.muted;
    pen.fillText("GPU", box.left + 8, top + height / 2 + 0.5);
    const cell = Math.min((width + gap) / Math.max(count, 4) - gap, 40);
    const used = new Array(count).fill(0);
    for (let gpu = 0; gpu < count; gpu += 1) fill(theme.empty, left + gpu * (cell + gap), top, cell, height);
    for (const pod of alive) {
      for (const gpu of pods.gpuList[pod]) {
        if (!(gpu < count)) continue;
        const share = Math.min((pods.gpuMilli[pod] ?? 1000) / 1000, 1 - used[gpu]);
        const low = top + height * (1 - used[gpu]);
        podBlock(box, pod, left + gpu * (cell + gap), low - share * height, cell, share * height);
        used[gpu] += share;
      }
    }
    return used.reduce((sum, share) => sum + share, 0);
  };

  const shortened = (text, width) => {
    if (pen.measureText(text).width <= width) return text;
    let kept = [...text];
    while (kept.length > 1 && pen.measureText(kept.join("") + "…").width > width) kept.pop();
    return kept.join("") + "…";
  };

  const drawNode = (node, time, left, top, width, height) => {
    const box = { node, left, top, right: left + width, bottom: top + height, blocks: [] };
    const there = thereAt(node, time);
    pen.fillStyle = theme.card;
    pen.strokeStyle = theme.line;
    pen.lineWidth = 1;
    pen.setLineDash(there ? [] : [4, 4]);
    pen.beginPath();
    pen.roundRect(left + 0.5, top + 0.5, width - 1, height - 1, 6);
    if (there) pen.fill();
    pen.stroke();
    pen.setLineDash([]);
    pen.font = "600 12px system-ui, sans-serif";
    pen.fillStyle = there ? theme.ink : theme.muted;
    pen.fillText(shortened(nodes.name[node], width - 16), left + 8, top + 14);
    pen.font = "10px system-ui, sans-serif";
    boxes.push(box);
    if (!there) {
      pen.fillStyle = theme.muted;
      pen.fillText("not in the cluster now", left + 8, top + 34);
      return { pods: 0, cpu: 0, gpus: 0 };
    }
    const alive = podsOf[node].filter((pod) => aliveAt(pod, time));
    box.pods = alive.length;
    const cpu = bar(box, alive, pods.cpu, nodes.cpu[node] ?? 0, "CPU", top + 26);
    const memory = bar(box, alive, pods.memory, nodes.memory[node] ?? 0, "Mem", top + 41);
    const gpus = nodes.gpus[node] > 0 ? gpuCells(box, alive, nodes.gpus[node], top + 57) : 0;
    box.used = { cpu, memory, gpus };
    return { pods: alive.length, cpu: cpu * (nodes.cpu[node] ?? 0), gpus };
  };

  const now = () => (end * Number(slider.value)) / Number(slider.max);

  const draw = () => {
    readTheme();
    const time = now();
    const { shown, matching } = shownNodes();
    const width = canvas.parentElement.clientWidth;
    const columns = Math.max(1, Math.floor((width + 10) / 200));
    const boxWidth = (width + 10) / columns - 10;
    // A row is as high as its highest box: only nodes with a GPU need room for its cells.
    const tops = [0];
    for (let first = 0; first < shown.length; first += columns) {
      const anyGpu = shown.slice(first, first + columns).some((node) => nodes.gpus[node] > 0);
      tops.push(tops[tops.length - 1] + (anyGpu ? 100 : 72));
    }
    const height = Math.max(20, tops[tops.length - 1]);
    const ratio = window.devicePixelRatio || 1;
    canvas.style.height = height + "px";
    if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
      canvas.width = Math.round(width * ratio);
      canvas.height = Math.round(height * ratio);
    }
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.clearRect(0, 0, width, height);
    pen.textBaseline = "middle";
    boxes = [];
    const total = { pods: 0, cpu: 0, gpus: 0, cpuThere: 0, gpusThere: 0 };
    shown.forEach((node, place) => {
      const left = (place % columns) * (boxWidth + 10);
      const row = Math.floor(place / columns);
      const used = drawNode(node, time, left, tops[row], boxWidth, tops[row + 1] - tops[row] - 10);
      for (const key of ["pods", "cpu", "gpus"]) total[key] += used[key];
      if (thereAt(node, time)) {
        total.cpuThere += nodes.cpu[node] ?? 0;
        total.gpusThere += nodes.gpus[node] ?? 0;
      }
    });
    clock.textContent = timeText(time);
    const parts = [`${number(shown.length)} of ${number(matching)} matching nodes shown`, `${number(total.pods)} pods on them`];
    if (total.cpuThere > 0) parts.push(`CPU ${((100 * total.cpu) / total.cpuThere).toFixed(1)} % allocated`);
    if (total.gpusThere > 0) parts.push(`GPU ${((100 * total.gpus) / total.gpusThere).toFixed(1)} % allocated`);
    state.textContent = parts.join(" · ");
  };

  const drawLegend = () => {
    const other = data.templates.length > COLORS.length;
    data.templates.slice(0, COLORS.length).concat(other ? [`${data.templates.length - COLORS.length} more`] : []).forEach((name, template) => {
      const chip = document.createElement("button");
      const swatch = document.createElement("i");
      const label = document.createElement("span");
      swatch.style.background = colorOf(template);
      label.textContent = name === "" ? "(no template)" : name;
      chip.type = "button";
      chip.title = template < COLORS.length ? "Single out " + label.textContent : "Templates that share the grey";
      chip.disabled = template >= COLORS.length;
      chip.append(swatch, label);
      chip.addEventListener("click", () => {
        pinned = pinned === template ? null : template;
        legend.querySelectorAll("button").forEach((other, index) => other.setAttribute("aria-pressed", index === pinned));
        draw();
      });
      legend.append(chip);
    });
  };

  const nodeText = (box) => {
    const node = box.node;
    const lines = [nodes.name[node]];
    const place = [nodes.pool[node] && "pool " + nodes.pool[node], nodes.zone[node] && "zone " + nodes.zone[node]];
    lines.push(place.filter(Boolean).join(" · "));
    const parts = [`CPU ${number((nodes.cpu[node] ?? 0) / 1000)} cores`, `memory ${memoryText(nodes.memory[node] ?? 0)}`];
    if (nodes.gpus[node] > 0) parts.push(`${nodes.gpus[node]} GPU ${nodes.model[node]}`.trim());
    lines.push(parts.join(" · "));
    if (box.used) {
      const now = [`CPU ${number(100 * box.used.cpu)} %`, `memory ${number(100 * box.used.memory)} %`];
      if (nodes.gpus[node] > 0) now.push(`${number(box.used.gpus)} of ${nodes.gpus[node]} GPU`);
      lines.push(`${box.pods} ${box.pods === 1 ? "pod" : "pods"} now: ${now.join(" · ")} allocated`);
    } else {
      lines.push("not in the cluster now");
    }
    return lines.filter(Boolean).join("\n");
  };

  const podText = (pod) => {
    const lines = [pods.name[pod]];
    const template = data.templates[pods.template[pod]];
    if (template) lines.push("template " + template);
    const parts = [`CPU ${number((pods.cpu[pod] ?? 0) / 1000)} cores`, `memory ${memoryText(pods.memory[pod] ?? 0)}`];
    if (pods.gpuList[pod].length > 0) {
      const whole = (pods.gpuMilli[pod] ?? 1000) >= 1000;
      parts.push(whole ? `GPU ${pods.gpus[pod]}` : `${number(pods.gpuMilli[pod] / 10)} % of GPU ${pods.gpus[pod]}`);
    }
    lines.push(parts.join(" · "));
    if (data.clock === "seconds") {
      lines.push(`bound ${timeText(pods.from[pod])}` + (pods.to[pod] === null ? ", stays to the end" : `, gone ${timeText(pods.to[pod])}`));
    }
    return lines.join("\n");
  };

  canvas.addEventListener("pointermove", (event) => {
    const frame = canvas.getBoundingClientRect();
    const [x, y] = [event.clientX - frame.left, event.clientY - frame.top];
    const inside = (shape) => x >= shape.left && x < shape.right && y >= shape.top && y < shape.bottom;
    const box = boxes.find(inside);
    tip.hidden = !box;
    if (!box) return;
    const block = box.blocks.find(inside);
    tip.textContent = block ? podText(block.pod) + "\non " + nodes.name[box.node] : nodeText(box);
    tip.style.left = Math.min(event.clientX + 14, window.innerWidth - tip.offsetWidth - 8) + "px";
    tip.style.top = Math.min(event.clientY + 14, window.innerHeight - tip.offsetHeight - 8) + "px";
  });
  canvas.addEventListener("pointerleave", () => { tip.hidden = true; });

  let started = null; // where and when playing began, or null
  const step = (stamp) => {
    if (started === null) return;
    started.stamp ??= stamp;
    const value = started.value + ((stamp - started.stamp) / PLAY_MS) * Number(slider.max);
    slider.value = Math.min(value, Number(slider.max));
    draw();
    if (value >= Number(slider.max)) stop(); else requestAnimationFrame(step);
  };
  const stop = () => {
    started = null;
    play.textContent = "Play";
  };
  play.addEventListener("click", () => {
    if (started !== null) return stop();
    const atEnd = Number(slider.value) >= Number(slider.max);
    started = { value: atEnd ? 0 : Number(slider.value) };
    play.textContent = "Pause";
    requestAnimationFrame(step);
  });
  slider.addEventListener("input", () => { stop(); draw(); });
  for (const input of [filter, limit]) input.addEventListener("input", draw);
  window.addEventListener("resize", draw);
  // The picture is painted, not styled: it must be painted again when the page's colours change.
  for (const media of ["print", "(prefers-color-scheme: dark)"]) matchMedia(media).addEventListener("change", draw);

  // A step of the slider is a thousandth of the run; rounding up keeps the busiest instant inside.
  slider.value = end > 0 ? Math.ceil((busiest() / end) * Number(slider.max)) : slider.max;
  drawLegend();
  draw();
})();
