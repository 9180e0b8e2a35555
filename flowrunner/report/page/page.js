
"use strict";
{
  const all = (selector, inside = document) => [...inside.querySelectorAll(selector)];
  const byId = (id) => document.getElementById(id);

  // A large picture lies in the page once; where it is shown again, it is taken from there.
  const fill = (inside) => {
    for (const image of all("img[data-same]", inside)) {
      image.src = byId(image.dataset.same).src;
      delete image.dataset.same;
    }
  };
  fill(document.querySelector("main"));

  for (const range of all(".compare input")) {
    const move = () => {
      range.parentElement.style.setProperty("--at", `${range.value}%`);
      range.setAttribute("aria-valuetext", `${range.value} % before`);
    };
    range.addEventListener("input", move);
    move();
  }

  // Every picture has an address of its own, and is shown when the page's address names it.
  const named = () => {
    let name = location.hash.slice(1);
    try { name = decodeURIComponent(name); } catch { return null; }
    const found = name && byId(name);
    return found && found.tagName === "DIALOG" ? found : null;
  };
  let opener = null;
  const show = () => {
    const wanted = named();
    for (const open of all("dialog[open]")) if (open !== wanted) open.close();
    if (wanted && !wanted.open) {
      fill(wanted);
      wanted.showModal();
      wanted.scrollTop = 0;
    }
  };
  const dialogs = all("dialog");
  const leave = () => {
    history.replaceState(null, "", location.pathname + location.search);
    if (opener && opener.isConnected) opener.focus({ preventScroll: true });
    opener = null;
  };
  for (const dialog of dialogs) {
    dialog.addEventListener("close", () => { if (named() === dialog) leave(); });
    dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
    dialog.querySelector(".close").addEventListener("click", (event) => { event.preventDefault(); dialog.close(); });
    dialog.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (!step || event.target.matches("input, textarea")) return;
      const next = dialogs[dialogs.indexOf(dialog) + step];
      if (next) { event.preventDefault(); location.replace(`#${encodeURIComponent(next.id)}`); }
    });
  }
  document.addEventListener("click", (event) => {
    const link = event.target.closest && event.target.closest("main a.open");
    if (link) opener = link;
  });
  addEventListener("hashchange", show);
  show();

  // A candidate takes the place of the picture that stands for all of them.
  for (const button of all("button.mini")) {
    button.addEventListener("click", () => {
      const stage = button.closest(".stage");
      const image = stage.querySelector(".after img") || stage.querySelector("img");
      image.src = byId(button.dataset.large).src;
      image.alt = button.dataset.alt;
      for (const other of all("button.mini", stage)) other.setAttribute("aria-pressed", String(other === button));
    });
  }

  // What is chosen here becomes lines for `pick --from -`: CELL N[@DIGEST] [REASON].
  const ballots = all(".ballot");
  const line = (ballot) => {
    const chosen = ballot.querySelector("input[type=radio]:checked");
    const why = ballot.querySelector("input[type=text]").value.split(/\s+/).filter(Boolean).join(" ");
    if (!chosen || (chosen.value === ballot.dataset.kept && !why)) return "";
    const digest = chosen.dataset.digest ? `@${chosen.dataset.digest}` : "";
    return `${ballot.dataset.cell} ${chosen.value}${digest}${why ? ` ${why}` : ""}`;
  };
  const told = () => {
    const commands = new Map();
    for (const ballot of ballots) {
      const text = line(ballot);
      if (text) commands.set(ballot.dataset.command, [...(commands.get(ballot.dataset.command) || []), text]);
    }
    const many = commands.size > 1;
    const parts = [...commands].map(([command, lines]) => (many ? [`# ${command}`, ...lines] : lines).join("\n"));
    const count = [...commands.values()].flat().length;
    byId("bar").hidden = count === 0;
    byId("lines").value = parts.join("\n");
    byId("chosen").textContent = count === 1 ? "1 choice" : `${count} choices`;
    byId("command").textContent = [...commands.keys()].join(" and ");
  };
  for (const ballot of ballots) ballot.addEventListener("input", told);
  told();
  byId("copy").addEventListener("click", async () => {
    const lines = byId("lines");
    let copied = true;
    try {
      await navigator.clipboard.writeText(`${lines.value}\n`);
    } catch {
      lines.select();
      copied = document.execCommand("copy");
    }
    byId("chosen").textContent = copied ? "Copied." : "Select the lines and copy them.";
  });
}
