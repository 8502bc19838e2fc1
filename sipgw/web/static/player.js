// Plays blocks of interleaved mu-law, left the caller, right who speaks to them. Runs in the audio thread.

const KEPT = 8000, BEGIN = 1600; // samples: what comes beyond a second is made up for by losing the oldest

/** ITU-T G.711, as numbers from -1 to 1. */
const LINEAR = Float32Array.from({ length: 256 }, (_, code) => {
  const bits = ~code & 0xff, size = (((bits & 15) << 3) + 132 << (bits >> 4 & 7)) - 132;
  return (bits & 128 ? -size : size) / 32768;
});

class Player extends AudioWorkletProcessor {
  constructor() {
    super();
    this.blocks = [];
    this.at = 0;
    this.waiting = 0;
    this.playing = false;
    this.port.onmessage = ({ data }) => {
      const block = new Uint8Array(data);
      this.blocks.push(block);
      this.waiting += block.length / 2;
      while (this.waiting > KEPT) this.drop();
    };
  }

  drop() {
    this.waiting -= this.blocks.shift().length / 2 - this.at;
    this.at = 0;
  }

  process(_, [[left, right]]) {
    this.playing ||= this.waiting >= BEGIN;
    for (let n = 0; this.playing && n < left.length; n++) {
      const block = this.blocks[0];
      left[n] = LINEAR[block[2 * this.at]];
      right[n] = LINEAR[block[2 * this.at + 1]];
      this.at++;
      this.waiting--;
      if (2 * this.at >= block.length) {
        this.blocks.shift();
        this.at = 0;
        this.playing = this.blocks.length > 0;
      }
    }
    return true;
  }
}

registerProcessor("player", Player);
