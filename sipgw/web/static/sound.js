// The microphone, the offer that is made with it, and how loud something is: for the phone and for who takes a call over.

const GATHER_MS = 2000;
const SOUND = { audio: { echoCancellation: true, noiseSuppression: true, autoGainControl: true } };

/** Why the microphone cannot be had, and what to do about it. */
export function reason(error) {
  switch (error.name) {
    case "NotAllowedError": return "The microphone is blocked for this page. Allow it beside the address, then try again.";
    case "NotFoundError": return "No microphone was found. Plug one in, or choose one in the browser's settings.";
    case "NotReadableError": return "The microphone is in use by another program. Close that, then try again.";
    default: return error.message || String(error);
  }
}

/** The microphone's stream. */
export async function microphone() {
  if (!window.isSecureContext || !navigator.mediaDevices)
    throw new Error(`Browsers give the microphone only to secure pages: open http://localhost:${location.port || 80}${location.pathname} on the machine itself, or put HTTPS in front.`);
  return navigator.mediaDevices.getUserMedia(SOUND);
}

/** The session description of `connection`, with all its addresses. */
export async function offer(connection) {
  await connection.setLocalDescription(await connection.createOffer());
  if (connection.iceGatheringState !== "complete") {
    await new Promise((done) => {
      connection.addEventListener("icegatheringstatechange", () => connection.iceGatheringState === "complete" && done());
      setTimeout(done, GATHER_MS);
    });
  }
  const { sdp } = connection.localDescription;
  if (!sdp.includes("a=candidate"))
    throw new Error("The browser has no network address to call from; it does not call over loopback. Connect this machine to any network, then try again.");
  return sdp;
}

/** Shows on `meter` how loud a node of `context` is; returns what ends that. */
export function watchNode(context, node, meter) {
  const analyser = context.createAnalyser(), samples = new Float32Array(analyser.fftSize);
  node.connect(analyser);
  const timer = setInterval(() => {
    analyser.getFloatTimeDomainData(samples);
    const level = Math.sqrt(samples.reduce((sum, one) => sum + one * one, 0) / samples.length);
    meter.value = Math.min(1, level * 4);
    meter.dataset.most = Math.max(meter.dataset.most || 0, level);
  }, 100);
  return () => { clearInterval(timer); analyser.disconnect(); meter.value = 0; };
}

/** The same of a stream. */
export function watchLevel(context, stream, meter) {
  const source = context.createMediaStreamSource(stream), stop = watchNode(context, source, meter);
  return () => { stop(); source.disconnect(); };
}
