/**
 * Says where to set a variable. `eph.yaml` is in the repository, so nobody is told to put there what looks like a
 * secret: its value would stay in the history for ever.
 */
export const secretsAdvice =
  'secrets are not committed: the operator of Eph sets them with `make secret REPO=owner/repo NAME=...`';

const SECRET =
  /secret|token|passw|credential|private|salt|cookie|signature|api_?key|access_?key|(?:^|_)(?:key|dsn|pass|pwd)(?:_|$)|(?:database|db|redis|mongo\w*|postgres\w*|mysql|amqp|smtp|rabbitmq)_(?:url|uri)/i;

export function howToSet(names: readonly string[]): string {
  const secret = names.filter((name) => SECRET.test(name));
  const plain = names.filter((name) => !SECRET.test(name));
  const advice: string[] = [];
  if (plain.length > 0) {
    const which = secret.length > 0 ? plain.map(quoted).join(', ') : plain.length > 1 ? 'them' : 'it';
    advice.push(`Set ${which} under \`env\` in eph.yaml.`);
  }
  if (secret.length > 0) {
    const [first] = secret;
    const several = secret.length > 1;
    const alone = several ? 'They' : 'It';
    const which = plain.length === 0 ? alone : secret.map(quoted).join(', ');
    const looks = several ? 'look like secrets' : 'looks like a secret';
    advice.push(
      `${which} ${looks}: do not commit a value; the operator of Eph sets it with \`make secret REPO=owner/repo NAME=${first}\`.`,
    );
  }
  return advice.join(' ');
}

function quoted(name: string): string {
  return `\`${name}\``;
}
