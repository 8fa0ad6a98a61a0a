// The document and the columns that the page carries, out of their text.
// In: base64 of a deflated blob, made by visual/page_pack.py. Out: a JSON document, and a reader of columns.
// Not here: what the columns mean (launch.js).

const LENGTH_BYTES = 4;

export async function unpack(text) {
  const bytes = await inflated(decoded(text));
  const length = new DataView(bytes.buffer).getUint32(0, true);
  const planes = bytes.subarray(LENGTH_BYTES + length);
  const head = new TextDecoder().decode(bytes.subarray(LENGTH_BYTES, LENGTH_BYTES + length));
  return { document: JSON.parse(head), column: (reference) => column(planes, reference) };
}

function decoded(text) {
  const letters = atob(text.trim());
  const bytes = new Uint8Array(letters.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = letters.charCodeAt(i);
  return bytes;
}

async function inflated(bytes) {
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

function column(bytes, { at, count, planes, rising, wide }) {
  const values = wide ? new Float64Array(count) : new Int32Array(count);
  for (let plane = planes - 1; plane >= 0; plane--) {
    for (let i = 0, from = at + plane * count; i < count; i++) values[i] = values[i] * 256 + bytes[from + i];
  }
  let sum = 0;
  for (let i = 0; i < count; i++) {
    const folded = values[i];
    const value = folded % 2 ? -(folded + 1) / 2 : folded / 2;
    values[i] = sum = rising ? sum + value : value;
  }
  return values;
}
