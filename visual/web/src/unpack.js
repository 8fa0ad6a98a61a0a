// The document and the columns that the page carries, out of their text.
// In: base64 of a deflated blob, made by visual/page_pack.py. Out: a JSON document, and a reader of columns.
// Not here: what the columns mean (launch.js).

const LENGTH_BYTES = 4;
const MOST_PLANES_OF_AN_INT32 = 4;

export async function unpack(text) {
  const bytes = await inflated(Uint8Array.from(atob(text.trim()), (letter) => letter.charCodeAt(0)));
  const length = new DataView(bytes.buffer).getUint32(0, true);
  const planes = bytes.subarray(LENGTH_BYTES + length);
  const head = new TextDecoder().decode(bytes.subarray(LENGTH_BYTES, LENGTH_BYTES + length));
  return { document: JSON.parse(head), column: (reference) => column(planes, reference) };
}

async function inflated(bytes) {
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

// Sums may pass 2^31 where differences do not, so what holds differences is wide from three planes on.
function column(bytes, { at, count, planes, rising }) {
  const wide = planes >= (rising ? MOST_PLANES_OF_AN_INT32 - 1 : MOST_PLANES_OF_AN_INT32);
  const values = wide ? new Float64Array(count) : new Int32Array(count);
  let sum = 0;
  for (let i = 0; i < count; i++) {
    let folded = 0;
    for (let plane = planes - 1; plane >= 0; plane--) folded = folded * 256 + bytes[at + plane * count + i];
    const value = folded % 2 ? -(folded + 1) / 2 : folded / 2;
    sum = rising ? sum + value : value;
    values[i] = sum;
  }
  return values;
}
