/**
 * The files that docker compose reads by default, in its order (compose-go `DefaultFileNames`; measured with
 * compose 2.26.1).
 */
export const defaultComposeFiles = [
  'compose.yaml',
  'compose.yml',
  'docker-compose.yml',
  'docker-compose.yaml',
] as const;
