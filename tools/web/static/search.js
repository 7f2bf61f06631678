// The words search of ./triptych lab, on the index that it prints: the rule of tools/lab/search.py.

const ENDINGS = ["ing", "ied", "ies", "ed", "es", "s"];

export function stem(word) {
  const ending = ENDINGS.find((one) => word.endsWith(one) && word.length - one.length >= 3 && !word.endsWith("ss"));
  if (ending) word = word.slice(0, -ending.length) + (ending === "ied" || ending === "ies" ? "y" : "");
  if (word.length > 3 && word.at(-1) === word.at(-2) && !"ls".includes(word.at(-1))) word = word.slice(0, -1);
  return word.length > 3 && word.endsWith("e") ? word.slice(0, -1) : word;
}

function wordsOf(text) {
  return text.toLowerCase().replace(/\btime[- ]out/g, "timeout").match(/[a-z0-9]+/g) ?? [];
}

function wanted(text, index) {
  const said = wordsOf(text.toLowerCase().replace(/\bhow (many|much|long|often)\b/g, ""));
  const telling = said.filter((word) => !index.empty.includes(word));
  return [...new Set((telling.length ? telling : said).map(stem))];
}

// The stems that one may stand for: where nobody uses it, those that begin with it.
function meant(word, known, index) {
  if (known.has(word) || word.length < index.beginning) return [word];
  return [...known].filter((one) => one.startsWith(word));
}

// The finds that match, best first.
export function search(text, index) {
  const { finds } = index;
  const known = new Set(finds.flatMap((find) => Object.keys(find.weights)));
  const named = wanted(text, index);
  const asked = named.map((word) => meant(word, known, index));
  const weights = finds.map((find) => asked.map((stems) => Math.max(0, ...stems.map((one) => find.weights[one] ?? 0))));
  const among = asked.map((_, at) => weights.filter((row) => row[at]).length);
  const ranked = finds.map((find, n) => {
    const hits = weights[n].filter(Boolean).length;
    const rare = weights[n].reduce((sum, weight, at) => sum + (weight && weight * Math.log(1 + finds.length / among[at])), 0);
    const title = new Set(wordsOf(find.title).map(stem));
    const exact = Number(title.size === named.length && named.every((word) => title.has(word)));
    return { find, hits, exact, rare };
  }).filter((one) => one.hits);
  const most = Math.max(0, ...ranked.map((one) => one.hits));
  const best = ranked.filter((one) => one.hits > most / 2).sort((a, b) => b.hits - a.hits || b.exact - a.exact || b.rare - a.rare).slice(0, index.most);
  return best.filter((one) => one.rare > best[0].rare * index.far).map((one) => one.find);
}

// What a find says, and the sentence of it that has more of the words, if there is one.
export function excerpt(find, text, index) {
  const asked = new Set(wanted(text, index));
  const has = (words) => [...new Set(wordsOf(words).map(stem))].filter((one) => asked.has(one));
  const found = has(`${find.name} ${find.says}`);
  let best = "";
  for (const sentence of find.text.split(/(?<=[.?!]) +(?=[A-Z])/)) if (has(sentence).length > has(best).length) best = sentence;
  return has(best).some((one) => !found.includes(one)) ? `${find.says} ... ${best}` : find.says;
}
