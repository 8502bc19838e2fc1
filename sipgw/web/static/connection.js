// The connection of a browser that calls, or speaks in a call.

import { ask, problem } from "./session.js";

/** A connection to be, with the servers that the gateway names for those who do not reach it otherwise. */
export async function connecting() {
  const answer = await ask("/api/phone/ice");
  if (!answer.ok) throw new Error(await problem(answer));
  return new RTCPeerConnection(await answer.json());
}
