// An operator's audio in a live call: hears it over a websocket, speaks over WebRTC in the agent's place.

import { connecting } from "./connection.js";
import { ask } from "./session.js";
import { microphone, offer, watchLevel, watchNode } from "./sound.js";

const AGAIN = 4000;
const LOST = "The connection to the gateway was lost.";

function socketOf(call, what) {
  return new WebSocket(`${location.origin.replace(/^http/, "ws")}/api/live/${encodeURIComponent(call)}/${what}`);
}

/** Why a socket was closed. One that was refused does not say it: the page tells whether the session is over. */
const why = async (event) => event.reason || ask(location.href).then(() => LOST, (error) => error.message);

/** Play what is said in `call`, shown on two meters, until `stop` of what this resolves to or until `ended(why)`. */
export async function listen(call, meters, ended) {
  const context = new AudioContext({ sampleRate: 8000 });
  let socket = null, over = false;
  const stop = () => { over = true; socket?.close(); if (context.state !== "closed") context.close(); for (const undo of undoing) undo(); };
  const undoing = [];
  await context.audioWorklet.addModule(new URL("./player.js", import.meta.url));
  const player = new AudioWorkletNode(context, "player", { numberOfInputs: 0, outputChannelCount: [2] });
  const sides = context.createChannelSplitter(2);
  player.connect(context.destination);
  player.connect(sides);
  meters.forEach((meter, side) => {
    const one = context.createGain();
    sides.connect(one, side);
    undoing.push(watchNode(context, one, meter));
  });
  const open = () => {
    socket = socketOf(call, "listen");
    socket.binaryType = "arraybuffer";
    socket.onmessage = ({ data }) => player.port.postMessage(data, [data]);
    socket.onclose = async (event) => {
      if (over) return;
      if (event.code === AGAIN) { open(); return; }
      stop();
      ended(await why(event));
    };
  };
  open();
  return stop;
}

/** Be in the call as `mode` says; resolves when we are connected, to what leaves the call to the agent. */
export async function takeOver(call, mode, audio, meter, ended) {
  const undoing = [];
  let over = false;
  const stop = () => { over = true; for (const undo of undoing.splice(0)) undo(); };
  try {
    const connection = await connecting(), stream = await microphone(), context = new AudioContext();
    undoing.push(() => stream.getTracks().forEach((track) => track.stop()), watchLevel(context, stream, meter), () => context.close(), () => connection.close());
    connection.addTrack(stream.getAudioTracks()[0], stream);
    connection.addEventListener("track", ({ track }) => { audio.srcObject = new MediaStream([track]); });
    const sdp = await offer(connection), socket = socketOf(call, `take-over?mode=${mode}`);
    undoing.push(() => socket.close());
    await new Promise((taken, failed) => {
      socket.onopen = () => socket.send(JSON.stringify({ sdp }));
      socket.onmessage = ({ data }) => {
        const told = JSON.parse(data);
        if (told.sdp) connection.setRemoteDescription({ type: "answer", sdp: told.sdp }).catch(failed);
        if (told.taken) taken();
      };
      socket.onclose = async (event) => {
        const left = over;
        if (!left) stop();
        const told = await why(event);
        failed(new Error(told));
        if (!left) ended(told);
      };
    });
    return stop;
  } catch (error) {
    stop();
    throw error;
  }
}
