/** A machine keeps the size that it was launched with, so a push alone changes nothing. */
export const largerMachine =
  'A larger `instance_type` in eph.yaml helps in a new pull request; the machine of this one keeps its size.';
