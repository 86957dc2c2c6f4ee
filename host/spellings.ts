/**
 * The forms in which a secret appears in other programs' output: as it is, inside a JSON string, in base64 (a basic
 * login, a Kubernetes secret) and in an address. In base64 the same bytes look different at each of three positions
 * in a longer text; the characters that do not depend on the neighbours are removed.
 */
export function spellings(secret: string): string[] {
  const encoded = encodeURIComponent(secret);
  return [
    secret,
    JSON.stringify(secret).slice(1, -1),
    ...[0, 1, 2].flatMap((before) => base64At(secret, before)),
    encoded,
    encoded.replace(/%[0-9A-F]{2}/g, (code) => code.toLowerCase()),
    // The form that browsers' forms send; `encodeURIComponent` leaves five more characters unchanged.
    new URLSearchParams([['', secret]]).toString().slice(1),
  ];
}

/** The base64 text without the characters at both ends, which also depend on the neighbours. */
function base64At(secret: string, before: number): string[] {
  const bytes = Buffer.concat([Buffer.alloc(before), Buffer.from(secret)]);
  const from = Math.ceil((before * 8) / 6);
  const until = Math.floor((bytes.length * 8) / 6);
  const text = bytes.toString('base64').slice(from, until);
  return [text, text.replaceAll('+', '-').replaceAll('/', '_')];
}
