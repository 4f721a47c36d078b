// PNG files without a library: what the mock server draws, and the texts inside of them.

import { deflateSync, inflateSync } from "node:zlib";

const table = Array.from({ length: 256 }, (_, n) => {
  let c = n;
  for (let k = 0; k < 8; k++) c = c & 1 ? 0xedb88320 ^ (c >>> 1) : c >>> 1;
  return c >>> 0;
});

function crc(bytes) {
  let c = 0xffffffff;
  for (const byte of bytes) c = table[(c ^ byte) & 255] ^ (c >>> 8);
  return (c ^ 0xffffffff) >>> 0;
}

function chunk(type, data) {
  const body = Buffer.concat([Buffer.from(type, "latin1"), data]);
  const out = Buffer.alloc(body.length + 8);
  out.writeUInt32BE(data.length, 0);
  body.copy(out, 4);
  out.writeUInt32BE(crc(body), body.length + 4);
  return out;
}

const MAGIC = Buffer.from([137, 80, 78, 71, 13, 10, 26, 10]);

/** A PNG of `pixel(x, y) -> [r, g, b]`, with texts. */
export function png(width, height, pixel, texts = {}) {
  const raw = Buffer.alloc(height * (1 + 3 * width));
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++)
      pixel(x, y).forEach((value, i) => (raw[y * (1 + 3 * width) + 1 + 3 * x + i] = Math.max(0, Math.min(255, value))));
  const head = Buffer.alloc(13);
  head.writeUInt32BE(width, 0);
  head.writeUInt32BE(height, 4);
  head.set([8, 2, 0, 0, 0], 8);
  const said = Object.entries(texts).map(([key, value]) =>
    chunk("tEXt", Buffer.concat([Buffer.from(`${key}\0`, "latin1"), Buffer.from(value, "utf8")])));
  return Buffer.concat([MAGIC, chunk("IHDR", head), ...said, chunk("IDAT", deflateSync(raw)), chunk("IEND", Buffer.alloc(0))]);
}

/** The chunks of a PNG: `{ width, height, texts, data }`, or null if it is none. */
export function read(bytes) {
  if (!bytes.subarray(0, 8).equals(MAGIC)) return null;
  const found = { width: 0, height: 0, kind: 0, texts: {}, data: [] };
  for (let at = 8; at + 8 <= bytes.length;) {
    const length = bytes.readUInt32BE(at);
    const type = bytes.toString("latin1", at + 4, at + 8);
    const data = bytes.subarray(at + 8, at + 8 + length);
    if (type === "IHDR") [found.width, found.height, found.kind] = [data.readUInt32BE(0), data.readUInt32BE(4), data[9]];
    if (type === "IDAT") found.data.push(data);
    if (type === "tEXt") {
      const zero = data.indexOf(0);
      found.texts[data.toString("latin1", 0, zero)] = data.toString("utf8", zero + 1);
    }
    at += 12 + length;
  }
  return found;
}

/** How white a PNG is, 0 to 1: enough to see that a mask says something. */
export function whiteness(bytes) {
  const { width, height, kind, data } = read(bytes);
  const channels = { 0: 1, 2: 3, 4: 2, 6: 4 }[kind];
  const raw = inflateSync(Buffer.concat(data));
  const stride = width * channels;
  const line = Buffer.alloc(stride);
  let sum = 0;
  for (let y = 0; y < height; y++) {
    const filter = raw[y * (stride + 1)];
    const above = Buffer.from(line);
    for (let i = 0; i < stride; i++) {
      const a = i >= channels ? line[i - channels] : 0;
      const [b, c] = [above[i], i >= channels ? above[i - channels] : 0];
      const p = a + b - c;
      const [pa, pb, pc] = [Math.abs(p - a), Math.abs(p - b), Math.abs(p - c)];
      const paeth = pa <= pb && pa <= pc ? a : pb <= pc ? b : c;
      line[i] = raw[y * (stride + 1) + 1 + i] + [0, a, b, (a + b) >> 1, paeth][filter];
    }
    for (let x = 0; x < width; x++) sum += line[x * channels];
  }
  return sum / 255 / (width * height);
}
