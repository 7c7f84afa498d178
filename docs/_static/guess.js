// The kernel of a guess form on a page that has none. The form itself is the lessons' own (guess_form.js); rules of
// reading, sentences and boxes come from Python (READING, BOXES), so that a guess is read and judged here as it is there.

const translated = (text, table) => Array.from(text, (sign) => table[sign] ?? sign).join("");

// One way of writing digits, signs and letters, without an "about" before it and a "?" behind it.
function plain(typed, unit) {
  let text = typed.replace(/[⁰¹²³⁴⁵⁶⁷⁸⁹⁻]+/g, (found) => `**(${translated(found, READING.superscripts)})`);
  text = text.replace(/(\d?)([¼-¾⅐-⅞])/g, (_, whole, part) => (whole ? `${whole}+` : "") + part.normalize("NFKC"));
  text = translated(text.normalize("NFKC").toLowerCase(), READING.signs).replace("per cent", "percent");
  text = text.slice(text.lastIndexOf("=") + 1).replace(/[?!。. ]+$/, "");
  text = text.replace(new RegExp(`^(?:${READING.about})`, "u"), "");
  const forms = [...READING.said, ...(READING.said_in[unit] ? [READING.said_in[unit]] : [])];
  return forms.reduce((sofar, [form, meant]) => sofar.replace(new RegExp(form, "gu"), meant), text);
}

// Its numbers and signs, each number already in ones, with what stands behind it taken in.
function tokens(text, unit) {
  const scales = { ...READING.scales, ...(["kB", "MB"].includes(unit) ? READING.bytes : {}) };
  const words = unit.toLowerCase().split(/\s+/).filter(Boolean);
  const names = new Set(words.flatMap((word) => [word, `${word}s`, word.replace(/s$/, "")]).concat(READING.fillers));
  const found = [];
  let [scaled, perCent, ended] = [false, false, false];
  for (const match of text.matchAll(new RegExp(READING.token, "gu"))) {
    const [word, groups] = [match[0], match.groups];
    const last = found.findLastIndex((one) => typeof one === "number");
    const scale = scales[word] ?? (names.has(word.slice(1)) && "kmg".includes(word[0]) ? scales[word[0]] : undefined);
    if (groups.number) found.push(Number(word.replace(/[,'’_ \u202f]/g, "")));
    else if (groups.sign) found.push(word === "^" ? "**" : word);
    else if (word === "x" && last >= 0 && /^\s*[\d.(]/.test(text.slice(match.index + 1))) {
      found.push("*");
      continue;
    } else if (READING.per_cent.includes(word) && last >= 0) {
      perCent = true;
      found[last] /= ["%", "percentage points"].includes(unit) ? 1 : 100;
    } else if (scale && last >= 0 && !ended) {
      scaled = true;
      found[last] *= scale;
    } else if (names.has(word) && last >= 0) {
      ended = true;
      continue;
    } else throw new Error("no part of a number");
    if (ended) throw new Error("behind the unit");
  }
  return { found, scaled, perCent };
}

// The value of a formula: sums of products of powers.
function computed(formula) {
  let next = 0;
  const take = (...signs) => (signs.includes(formula[next]) ? formula[next++] : "");
  function sum() {
    let value = product();
    for (let sign; (sign = take("+", "-")); ) value += (sign === "+" ? 1 : -1) * product();
    return value;
  }
  function product() {
    let value = signed();
    for (let sign; (sign = take("*", "/")); ) value = sign === "*" ? value * signed() : value / signed();
    return value;
  }
  function signed() {
    const sign = take("+", "-");
    return sign ? (sign === "-" ? -1 : 1) * signed() : power();
  }
  function power() {
    const base = atom();
    if (!take("**")) return base;
    const exponent = signed();
    if (!Number.isInteger(exponent) || Math.abs(exponent) > 100) throw new Error("no such power");
    return base ** exponent;
  }
  function atom() {
    if (typeof formula[next] === "number") return formula[next++];
    if (!take("(")) throw new Error("no number");
    const value = sum();
    if (!take(")")) throw new Error("no bracket");
    return value;
  }
  const value = sum();
  if (next < formula.length || !Number.isFinite(value)) throw new Error("no formula");
  return value;
}

// The number that somebody typed, in `unit`. An error's message is for the reader; its `readings` are what it may mean.
function readNumber(given, unit, zero) {
  const typed = given.trim().slice(0, READING.longest);
  const fail = (kind, readings = []) => {
    const texts = { typed, first: readings[0], second: readings[1] };
    const message = READING.messages[kind].replace(/@(\w+)@/g, (_, name) => texts[name]);
    throw Object.assign(new Error(message), { readings });
  };
  if (!typed) fail("empty");
  const text = plain(typed, unit);
  let value, perCent;
  try {
    const read = tokens(text, unit);
    value = computed(read.found);
    perCent = read.perCent;
    const size = { million: 1e6, MB: 1e6, kB: 1e3 }[unit.split(" ")[0]] ?? 1;
    if (read.scaled || (size === 1e6 && value >= size)) value /= size;
  } catch {
    fail("unreadable");
  }
  if (value < 0 && new RegExp(`^(?:${READING.range})$`).test(text)) fail("range");
  if (!(value > READING.smallest && value < READING.largest) && !(zero && value === 0)) fail(zero ? "least_zero" : "least");
  if (unit === "%" && value > 0 && value < 1 && !perCent) fail("two", [`${numberText(100 * value)} %`, `${numberText(value)} %`]);
  return value;
}

// A number for reading: whole ones in full with separators, others with four digits.
function numberText(value) {
  if (Math.abs(value) >= 1e15) return value.toPrecision(3);
  if (Number.isInteger(value) || Math.abs(value) >= 1000) return Math.round(value).toLocaleString("en-US");
  return String(Number(value.toPrecision(4)));
}

// A ratio of guess to truth in words: 0.25 is "4 times too low".
function timesOff(factor) {
  const size = Math.max(factor, 1 / factor);
  const times = size < 10 ? String(Number(size.toFixed(2))) : size < 1e6 ? Math.round(size).toLocaleString("en-US") : "over a million";
  return `${times} times too ${factor > 1 ? "high" : "low"}`;
}

// How good a guess is: whether it counts as right, and the end of a sentence.
function judged(guess, { truth, choices }) {
  if (guess === truth) return { right: true, verdict: "exactly right" };
  if (choices.length) return { right: false, verdict: "not right" };
  const factor = guess && truth ? guess / truth : null;
  if (factor === null) return { right: false, verdict: guess < truth ? "too low" : "too high" };
  const right = Math.abs(factor - 1) <= READING.tolerance;
  return { right, verdict: right ? "right, to within 0.5 %" : timesOff(factor) };
}

// A box of the course, as Python draws it.
function box(kind, title, ...paragraphs) {
  const escaped = (text) => text.replace(/[&<>"]/g, (sign) => `&#${sign.charCodeAt(0)};`);
  const inline = (text) => escaped(text).replace(/`([^`]+)`/g, "<code>$1</code>");
  const page = BOXES[kind].replace("TITLE", () => inline(title));
  return page.replace(/<p[^>]*>BODY<\/p>/, (one) => paragraphs.map((text) => one.replace("BODY", () => inline(text))).join(""));
}

// What the form takes for its model: it gives what is said, and answers a message as the kernel would.
function answering(asked) {
  const state = { ...asked, said: "", stage: "asking", readings: [], answers: 0 };
  const written = (guess) => (asked.choices.length ? guess : `${numberText(guess)} ${asked.unit}`.trim());
  let guess, changed;
  const answer = (said, stage, readings = []) => {
    Object.assign(state, { said, stage, readings });
    changed?.();
  };
  const read = (text) => {
    if (!asked.choices.length) return readNumber(text, asked.unit, asked.zero);
    if (!asked.choices.includes(text)) throw Object.assign(new Error(READING.messages.choose), { readings: [] });
    return text;
  };
  function take(text) {
    try {
      guess = read(text);
      answer(box("note", "Your guess", `${written(guess)}. You can still change it, until you see the truth.`), "guessed");
    } catch (problem) {
      const two = problem.readings.length;
      answer(box(two ? "note" : "wrong", two ? "Which of the two?" : "No guess taken yet", problem.message), "asking", problem.readings);
    }
  }
  function reveal() {
    const { right, verdict } = judged(guess, asked);
    const truth = `Truth: ${asked.written}. Your guess is ${verdict}.`;
    const title = right ? "Right" : "Now compare";
    answer(box(right ? "right" : "compare", title, `Your guess: ${written(guess)}.`, truth, `Why: ${asked.why}`), "shown");
  }
  return {
    get: (name) => state[name],
    on: (event, callback) => (changed = event === "change:answers" ? callback : changed),
    off: () => {},
    send: (message) => (message.show ? reveal() : "guess" in message ? take(String(message.guess)) : answer("", "asking")),
  };
}

for (const place of document.querySelectorAll("[data-guess]")) {
  const bytes = Uint8Array.from(atob(place.dataset.guess), (sign) => sign.charCodeAt(0));
  const asked = JSON.parse(new TextDecoder().decode(bytes));
  place.replaceChildren();
  render({ model: answering(asked), el: place });
  // Nothing is kept here, so no first guess counts.
  for (const control of place.querySelectorAll("button[title]")) control.removeAttribute("title");
  // Paper has nothing to click: there the answer stands below the question.
  const printed = document.createElement("div");
  place.append(printed);
  const onPaper = (print) => (printed.innerHTML = print.matches ? box("note", "The answer", `Truth: ${asked.written}.`, `Why: ${asked.why}`) : "");
  matchMedia("print").addEventListener("change", onPaper);
}
