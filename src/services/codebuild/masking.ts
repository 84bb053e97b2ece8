const MASK = '***';
/** Shorter texts stand in logs by chance. */
const MIN_SECRET_CHARS = 6;
/** As CodeBuild does. */
const ACCESS_KEY_ID = /(?:AKIA|ASIA)[A-Z0-9]{16}/g;

/**
 * Takes secrets out of a log: as they are and in the forms that tools print them in. It protects from accidents; whoever
 * means to print a secret finds a form that is not here.
 */
export class Masker {
  #forms: string[] = [];
  #longest = 0;

  add(secret: string): void {
    if (secret.length < MIN_SECRET_CHARS) return;
    const forms = new Set([...this.#forms, ...formsOf(secret)]);
    // Longer ones first: a form may hold another.
    this.#forms = [...forms].sort((a, b) => b.length - a.length);
    this.#longest = this.#forms[0]?.length ?? 0;
  }

  mask(text: string): string {
    let masked = text;
    for (const form of this.#forms) if (masked.includes(form)) masked = masked.replaceAll(form, MASK);
    if (masked.includes('AKIA') || masked.includes('ASIA')) masked = masked.replace(ACCESS_KEY_ID, MASK);
    return masked;
  }

  /** How many characters at the end may be the beginning of a secret that goes on in what comes next. */
  heldAtEnd(text: string): number {
    for (let length = Math.min(this.#longest - 1, text.length); length > 0; length--) {
      const end = text.slice(-length);
      if (this.#forms.some((form) => form.length > length && form.startsWith(end))) return length;
    }
    return 0;
  }
}

function formsOf(secret: string): string[] {
  const bytes = Buffer.from(secret);
  const forms = [
    secret,
    JSON.stringify(secret).slice(1, -1),
    encodeURIComponent(secret),
    bytes.toString('hex'),
    bytes.toString('hex').toUpperCase(),
    ...base64Forms(bytes),
  ];
  // A secret of several lines is printed line by line, indented or in a box.
  for (const line of secret.split(/\r?\n/)) if (line.length >= MIN_SECRET_CHARS) forms.push(line);
  return [...new Set(forms)].filter((form) => form.length >= MIN_SECRET_CHARS);
}

/** The middle of the base64 text at each of the three offsets that the secret can have in what is encoded. */
function base64Forms(bytes: Buffer): string[] {
  return [0, 1, 2].flatMap((offset) => {
    const text = Buffer.concat([Buffer.alloc(offset), bytes])
      .toString('base64')
      .replace(/=+$/, '');
    // Characters at the ends also hold bits of the neighbours.
    const whole = text.slice(offset === 0 ? 0 : offset + 1, (offset + bytes.length) % 3 === 0 ? undefined : -1);
    return [whole, whole.replaceAll('+', '-').replaceAll('/', '_')];
  });
}
