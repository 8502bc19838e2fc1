// A visitor's call in the frame of the talk button. Text is only ever set as text.

import { microphone, offer } from "./sound.js";

const GATHER_MS = 2000;
const TEXTS = {
  en: ["Asking for the microphone …", "Calling …", "Talking.", "The call is over.", "Hang up", "The microphone cannot be used.", "No call is possible now. Please try again later."],
  de: ["Das Mikrofon wird angefragt …", "Verbindung wird aufgebaut …", "Verbunden.", "Das Gespräch ist beendet.", "Auflegen", "Das Mikrofon kann nicht benutzt werden.", "Zurzeit ist kein Gespräch möglich. Bitte versuchen Sie es später."],
  es: ["Pidiendo el micrófono …", "Llamando …", "En conversación.", "La llamada ha terminado.", "Colgar", "No se puede usar el micrófono.", "Ahora no es posible llamar. Inténtelo más tarde."],
  fr: ["Demande du microphone …", "Appel en cours …", "En conversation.", "L’appel est terminé.", "Raccrocher", "Le microphone ne peut pas être utilisé.", "Aucun appel n’est possible. Réessayez plus tard."],
  it: ["Richiesta del microfono …", "Chiamata in corso …", "In conversazione.", "La chiamata è terminata.", "Riaggancia", "Il microfono non può essere usato.", "Ora non è possibile chiamare. Riprovi più tardi."],
  pt: ["A pedir o microfone …", "A chamar …", "Em conversa.", "A chamada terminou.", "Desligar", "O microfone não pode ser usado.", "Agora não é possível ligar. Tente mais tarde."],
  hi: ["माइक्रोफ़ोन माँगा जा रहा है …", "कॉल की जा रही है …", "बातचीत चल रही है।", "कॉल समाप्त हुई।", "कॉल काटें", "माइक्रोफ़ोन का उपयोग नहीं हो सकता।", "अभी कॉल संभव नहीं है। कृपया बाद में प्रयास करें।"],
};
const language = navigator.languages.map((one) => one.slice(0, 2)).find((one) => one in TEXTS) ?? "en";
const [ASKING, CALLING, TALKING, OVER, HANG_UP, NO_MICROPHONE, NO_CALL] = TEXTS[language];

const $ = (name) => document.querySelector(`[data-${name}]`);
let call = null;

function show(text) { $("state").textContent = text; }

function line(who, text, final = true) {
  let item = [...$("words").children].findLast((one) => one.dataset.who === who && one.dataset.final === "false");
  if (!item) {
    item = document.createElement("li");
    item.dataset.who = who;
    $("words").append(item);
  }
  item.dataset.final = final;
  item.textContent = text;
  item.scrollIntoView({ block: "nearest" });
}

/** The words of both sides. EventSource sends no header, and a key has no place in an address. */
async function follow(mine, ready) {
  const answer = await fetch(`/embed/calls/${encodeURIComponent(mine.id)}/events`, { headers: { "X-Call-Key": mine.key }, signal: mine.stop.signal });
  ready();
  if (!answer.ok) return;
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  for (let rest = ""; ;) {
    const { value, done } = await reader.read();
    if (done) return;
    const events = (rest + value).split("\n\n");
    rest = events.pop();
    for (const data of events.flatMap((one) => one.split("\n")).filter((one) => one.startsWith("data: "))) {
      const word = JSON.parse(data.slice(6));
      if (word?.kind === "ended") end(OVER);
      else if (word?.kind === "caller" || word?.kind === "agent") line(word.kind, word.text, word.final ?? true);
    }
  }
}

async function post(path, sent, headers = {}) {
  const answer = await fetch(path, { method: "POST", headers: { "Content-Type": "application/json", ...headers }, body: JSON.stringify(sent) });
  if (!answer.ok) throw new Error(`status ${answer.status}`);
  return answer.json();
}

async function begin() {
  $("call").hidden = true;
  $("card").hidden = false;
  $("hang-up").hidden = false;
  $("hang-up").focus();
  $("words").replaceChildren();
  show(ASKING);
  const mine = call = { ended: false, clean: [], stop: new AbortController() };
  mine.clean.push(() => mine.stop.abort());
  let problem = NO_MICROPHONE;
  try {
    const stream = await microphone();
    mine.clean.push(() => stream.getTracks().forEach((track) => track.stop()));
    if (mine.ended) return mine.clean.forEach((undo) => undo());
    problem = NO_CALL;
    show(CALLING);
    const { key, iceServers } = await post("/embed/sessions", {});
    if (mine.ended) return;
    const connection = new RTCPeerConnection({ iceServers });
    mine.clean.push(() => connection.close());
    connection.addTrack(stream.getAudioTracks()[0], stream);
    connection.addEventListener("track", ({ track }) => { $("audio").srcObject = new MediaStream([track]); });
    connection.addEventListener("connectionstatechange", () => {
      if (connection.connectionState === "connected") show(TALKING);
      if (connection.connectionState === "failed") end(OVER);
    });
    const sdp = await offer(connection);
    if (mine.ended) return;
    const answer = await post("/embed/calls", { sdp }, { "X-Call-Key": key });
    Object.assign(mine, { id: answer.call, key });
    if (mine.ended) return leave(mine);
    await new Promise((done) => { follow(mine, done).catch(done); setTimeout(done, GATHER_MS); });
    if (!mine.ended) await connection.setRemoteDescription({ type: "answer", sdp: answer.sdp });
  } catch {
    if (call === mine) end(problem);
  }
}

/** Tell the gateway, also of a call that is over there; works while the page is being left, too. */
function leave(mine) {
  if (mine.id) fetch(`/embed/calls/${encodeURIComponent(mine.id)}`, { method: "DELETE", keepalive: true, headers: { "X-Call-Key": mine.key } }).catch(() => {});
}

function end(text) {
  if (!call) return;
  const mine = call;
  call = null;
  mine.ended = true;
  leave(mine);
  for (const undo of mine.clean) undo();
  show(text);
  $("hang-up").hidden = true;
  $("call").hidden = false;
  $("call").focus();
}

if ($("talk")) {
  document.documentElement.lang = language;
  $("hang-up").textContent = HANG_UP;
  $("call").addEventListener("click", begin);
  $("hang-up").addEventListener("click", () => end(OVER));
  addEventListener("pagehide", () => end(OVER));
  const tell = () => parent.postMessage({ sipgwHeight: document.body.scrollHeight }, "*");
  new ResizeObserver(tell).observe(document.body);
}
