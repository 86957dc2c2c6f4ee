import { type ComposeService, saidTo } from './compose-project.ts';

/** Matches words of a service's name, between dashes, dots and underscores. */
function word(...words: string[]): RegExp {
  return new RegExp(`(?:^|[-_.])(?:${words.join('|')})(?:$|[-_.])`);
}

const proxyName =
  /^(?:proxy|reverse-?proxy|nginx|caddy|traefik|haproxy|envoy|ingress|edge|lb|load-?balancer|router|webserver|httpd|apache)$/;
const proxyWord = word('proxy', 'reverseproxy', 'ingress', 'lb', 'loadbalancer', 'nginx', 'traefik', 'caddy');
/** Proxies for other things than pages. */
const otherProxy = word(
  'socket',
  'sql',
  'db',
  'cloudsql',
  'ssh',
  'tcp',
  'mail',
  'smtp',
  'redis',
  'cors',
  'llm',
);
const gatewayWord = /(?:^|[-_.])(?:gateway|apigateway|gw|bff)(?:$|[-_.])|gateway(?:service|server)?$/;
const pageName =
  /^(?:frontend|front|web|webapp|web-app|www|ui|client|app|site|website|portal|dashboard|homepage)$/;
const pageWord = word(
  'frontend',
  'front',
  'web',
  'webapp',
  'www',
  'ui',
  'client',
  'app',
  'site',
  'website',
  'portal',
);
const innerWord = word(
  'api',
  'backend',
  'back',
  'server',
  'admin',
  'internal',
  'graphql',
  'ws',
  'websocket',
  'auth',
);
/** Services beside the application that are built with it. */
const besideWord = word(
  'docs?',
  'documentation',
  'storybook',
  'styleguide',
  'console',
  'metrics',
  'stats',
  'mocks?',
  'tests?',
);
/** Parts of a distributed system that serve the other services. */
const plumbingWord = word('config', 'discovery', 'eureka', 'registry');
const jobWord = word(
  'workers?',
  'jobs?',
  'celery',
  'celerybeat',
  'beat',
  'sidekiq',
  'resque',
  'horizon',
  'scheduler',
  'cron',
  'queue',
  'consumer',
  'producer',
  'migrate',
  'migrations?',
  'migrator',
  'seed',
  'seeder',
  'init',
  'setup',
  'bootstrap',
);
const jobCommand =
  /\b(?:celery|sidekiq|resque|rq worker|queue:work|queue:listen|schedule:work|schedule:run|horizon|db:migrate|db:seed|migrate|alembic|seed|worker|workers|scheduler|beat|cron|consumer|consume)\b/;
/** Commands that start a server, also when they migrate first. */
const serverCommand =
  /\b(?:gunicorn|uvicorn|hypercorn|daphne|puma|unicorn|rails s(?:erver)?|runserver|http\.server|flask run|npm (?:run )?(?:start|dev|serve)|yarn (?:start|dev|serve)|pnpm (?:start|dev)|next (?:start|dev)|vite|serve|server|php-fpm|apache2?|nginx)\b/;

export type NameKind = 'proxy' | 'gateway' | 'page-name' | 'page-word' | 'other';

export function nameKind(name: string): NameKind {
  const lower = name.toLowerCase();
  if (otherProxy.test(lower) && proxyWord.test(lower)) return 'other';
  if (proxyName.test(lower) || proxyWord.test(lower)) return 'proxy';
  if (gatewayWord.test(lower)) return 'gateway';
  if (pageName.test(lower)) return 'page-name';
  return pageWord.test(lower) ? 'page-word' : 'other';
}

export function isInner(name: string): boolean {
  return innerWord.test(name.toLowerCase());
}

export function isBeside(name: string): boolean {
  return besideWord.test(name.toLowerCase()) || plumbingWord.test(name.toLowerCase());
}

/** Whether a service runs in the background or once: its command decides, or its name if the command does not tell. */
export function isJob(name: string, service: ComposeService): boolean {
  const command = saidTo({ ...service, environment: null, build: null }).replace(/[",[\]]+/g, ' ');
  if (serverCommand.test(command)) return false;
  return jobCommand.test(command) || jobWord.test(name.toLowerCase());
}
