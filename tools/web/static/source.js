// Where a page's data come from: the server, or, in a report, the document itself.
//
// known      what the server wrote into the document: panels, page, data
// recorded   whether this is a report: then nothing can be started
// ask()      a question to the server; its answer, or an Error with a sentence for the reader
// listen()   the events of a stream, in batches; also says to the server that a page is open

export const known = JSON.parse(document.getElementById("known").textContent);

const answers = document.getElementById("recorded");
export const recorded = answers ? JSON.parse(answers.textContent) : null;

const RETRY_MS = 1000; // to the first new try; each further one waits twice as long
const RETRY_MOST_MS = 16000;

// What asks the server. While there is none, it cannot be operated; what a page shows stays there.
const ASKS = "#running, main :is(form, .run-state, #run-state), main button:not(.el, .look, .choices *, #follow, #close)";

function lose(reason) {
  document.getElementById("lost").textContent = reason || "The server is gone. Run ./triptych web again, and open its new address.";
  document.documentElement.setAttribute("data-lost", "");
  for (const one of document.querySelectorAll(ASKS)) one.inert = true;
}

function regain() {
  if (!document.documentElement.hasAttribute("data-lost")) return;
  document.documentElement.removeAttribute("data-lost");
  for (const one of document.querySelectorAll("[inert]")) one.inert = false;
}

// What lets this page start something. The address brings it once, behind the #, and it goes into
// the storage of this origin. A cookie would not do: every server on this machine gets those.
const secret = recorded ? "" : takeSecret();

function takeSecret() {
  try {
    if (location.hash.startsWith("#key=")) {
      localStorage.setItem("key", location.hash.slice(5));
      history.replaceState(null, "", location.pathname + location.search);
    }
    return localStorage.getItem("key") ?? "";
  } catch {
    return ""; // this browser stores nothing: the server refuses, and says what to do
  }
}

function key(page, question, body) {
  return `${page}/${question} ${JSON.stringify(body)}`;
}

export async function ask(question, body = {}, page = known.page) {
  if (recorded) {
    const found = recorded.answers[key(page, question, body)];
    if (found === undefined) throw new Error("This is a report: it shows what was recorded.");
    return found;
  }
  let response;
  try {
    response = await fetch(`/${page}/${question}`, {
      method: "POST",
      headers: { "Content-Type": "application/json", "Triptych-Key": secret },
      body: JSON.stringify(body),
    });
  } catch {
    throw new Error("The server does not answer. Run ./triptych web again.");
  }
  const text = await response.text();
  let answer;
  try {
    answer = JSON.parse(text);
  } catch {
    throw new Error(text.trim() || `The server answers with status ${response.status}.`);
  }
  if (!response.ok) throw new Error(answer.error ?? `The server answers with status ${response.status}.`);
  return answer;
}

// Returns a function that ends the listening. `again` is called before the events are given from
// their beginning once more, after a connection was lost.
export function listen(stream, heard, again = () => {}) {
  if (recorded) {
    const events = recorded.streams[stream];
    if (events) heard(events);
    return () => {};
  }
  let socket;
  let over = false;
  let opened = 0;
  let pause = RETRY_MS;
  const connect = () => {
    socket = new WebSocket(`ws://${location.host}/events?stream=${encodeURIComponent(stream)}`, ["triptych", `key.${secret}`]);
    socket.onopen = () => {
      regain();
      pause = RETRY_MS;
      if (opened++) again();
    };
    socket.onmessage = (message) => heard(JSON.parse(message.data));
    socket.onclose = (event) => {
      if (over) return;
      lose(event.reason);
      setTimeout(connect, pause);
      pause = Math.min(2 * pause, RETRY_MOST_MS);
    };
  };
  connect();
  return () => {
    over = true;
    socket.close();
  };
}
