import type { ComposeService } from './compose-project.ts';

const debuggerPort = 'a debugger';

/**
 * Container ports that are not web pages, by the program that listens there. A published port of this table never
 * gets a URL unless `eph.yaml` names it. Ports with two common meanings (5000, 8000, 9000...) are not in it: there
 * the image, the other ports of the service and the names decide.
 */
const otherProtocols: Record<string, readonly number[]> = {
  'a database': [
    1433, 1434, 1521, 3050, 3306, 3307, 5432, 5433, 5984, 6432, 7474, 7687, 8529, 9042, 9160, 26257, 27017,
    27018, 27019, 28015, 29015, 33060, 50000,
  ],
  'a cache': [6379, 6380, 11211, 16379, 26379],
  'a broker': [
    1883, 2181, 4222, 4369, 5671, 5672, 6222, 6650, 8222, 8883, 9092, 9093, 9094, 19092, 25672, 29092, 61616,
  ],
  'a search or log store': [5044, 9200, 9300, 9600, 12201, 24224],
  [debuggerPort]: [2345, 4711, 5005, 5858, 8787, 9003, 9222, 9229, 9230, 9231, 40000],
  'a reload channel of a development server': [24678, 35729],
  telemetry: [4317, 4318, 6831, 6832, 8125, 14250, 14268],
  mail: [25, 110, 143, 465, 587, 993, 995, 1025, 2525],
  'a shell, file or directory service': [20, 21, 22, 23, 69, 111, 139, 389, 445, 548, 636, 873, 2049, 2222],
  'a desktop, game, voice or VPN service': [
    1194, 3389, 3478, 5060, 5061, 5349, 5900, 5901, 25565, 27015, 51820,
  ],
  'a name or address service': [53, 67, 68, 123, 161, 853],
};

const meaning = new Map<number, string>();
for (const [what, ports] of Object.entries(otherProtocols)) {
  for (const port of ports) meaning.set(port, what);
}

/** What listens on a container port, if it is known not to be a web page. */
export function nonHttpPort(port: number): string | undefined {
  return meaning.get(port);
}

/**
 * The debuggers' ports of Node and Chrome: nobody serves pages there. Applications also choose the ports of other
 * debuggers.
 */
const onlyDebuggers = [9222, 9229, 9230, 9231];

/** A debugger's port that an application may have chosen for its pages. */
export function maybePagePort(port: number): boolean {
  return meaning.get(port) === debuggerPort && !onlyDebuggers.includes(port);
}

/** Ports such as 443, 8443 and 9443, which serve TLS by custom. */
export function isTlsPort(port: number): boolean {
  return port % 1_000 === 443;
}

/** Within one service, the port that people mean, best first; then the lowest published one. */
export const pagePorts: readonly number[] = [
  80, 3000, 8080, 8000, 5173, 4200, 5000, 8888, 4000, 8081, 3001, 9000, 9090, 443, 8443,
];

/** Images whose published ports are stores and brokers, whatever their number. */
const storeImages =
  /^(?:postgres|postgres-\w+|postgresql|postgis|timescaledb|timescaledb-ha|pgvector|pgbouncer|pgpool|mysql|mysql-server|mariadb|percona|percona-server|mongo|mongodb|mongodb-community-server|mssql|mssql-server|server|azure-sql-edge|oracle|oracle-free|oracle-xe|redis|redis-stack-server|valkey|keydb|dragonfly|memcached|rabbitmq|activemq|activemq-artemis|kafka|kafka-native|cp-kafka|cp-server|redpanda|pulsar|zookeeper|cp-zookeeper|nats|mosquitto|emqx|cassandra|scylla|cockroach|couchdb|couchbase|arangodb|surrealdb|clickhouse|clickhouse-server|questdb|elasticsearch|opensearch|solr|meilisearch|typesense|qdrant|weaviate|chroma|milvus|logstash|fluentd|fluent-bit|vector|influxdb|neo4j|memgraph|etcd|vault|consul|zipkin|otel-collector|opentelemetry-collector|opentelemetry-collector-contrib|soketi|ollama)$/;
/** Among images, only these use `server` as their name. */
const serverOf = /(?:^|\/)mssql\//;

/** `docker.io/library/redis:7@sha256:...` -> `redis` */
export function imageName(image: string): string {
  const path = image.split('@')[0] ?? image;
  const last = path.split('/').at(-1) ?? path;
  return (last.split(':')[0] ?? last).toLowerCase();
}

export function isStoreImage(image: string): boolean {
  const name = imageName(image);
  return storeImages.test(name) && (name !== 'server' || serverOf.test(image));
}

/** Images that do nothing but pass requests on. */
const forwarderImages =
  /^(?:nginx-proxy|nginx-proxy-manager|docker-gen|traefik|haproxy|envoy|kong|kong-gateway|apisix|krakend|tyk-gateway|varnish|swag|caddy-docker-proxy|pomerium|oauth2-proxy)$/;

export function isForwarderImage(image: string): boolean {
  return forwarderImages.test(imageName(image));
}

/** Images that pass requests on or serve files: their configuration says which of the two. */
const webServerImages = /^(?:nginx|nginx-unprivileged|openresty|caddy|httpd|apache|apache2|lighttpd)$/;

export function isWebServerImage(image: string): boolean {
  return webServerImages.test(imageName(image));
}

/** Companions of an application: useful to open, never what a pull request is about. */
const companions: readonly string[] = [
  // Tools that show the content of a store.
  ...['adminer', 'phpmyadmin', 'phppgadmin', 'pgadmin', 'pgadmin4', 'pgweb', 'pghero', 'cloudbeaver'],
  ...['mongo-express', 'mongoexpress', 'redis-commander', 'redis-insight', 'redisinsight', 'redis-stack'],
  ...[
    'kibana',
    'opensearch-dashboards',
    'cerebro',
    'elasticvue',
    'dejavu',
    'prisma-studio',
    'drizzle-gateway',
  ],
  ...['kafka-ui', 'kafdrop', 'akhq', 'kowl', 'control-center', 'schema-registry', 'rabbitmq-management'],
  // Mail servers for tests, which deliver nothing.
  ...['mailhog', 'mailpit', 'mailcatcher', 'maildev', 'mailtrap', 'inbucket', 'greenmail', 'smtp4dev'],
  ...['papercut', 'roundcube'],
  // Stand-ins for a cloud or for another service.
  ...['minio', 'localstack', 'azurite', 'azure-storage', 'fake-gcs-server', 'fakes3', 's3mock', 'motoserver'],
  ...['elasticmq', 'dynamodb-local', 'dynamodb-admin', 'cosmosdb', 'servicebus-emulator', 'pubsub-emulator'],
  ...['firebase-emulator', 'firebase-emulators', 'stripe-mock', 'stripe-cli', 'mockserver', 'wiremock'],
  ...['mock-oauth2-server', 'json-server'],
  // Third-party programs for sign-in and feature flags.
  ...['keycloak', 'dex', 'authelia', 'kratos', 'hydra', 'unleash', 'flagd', 'openldap', 'phpldapadmin'],
  // Monitoring.
  ...['prometheus', 'alertmanager', 'pushgateway', 'grafana', 'grafana-oss', 'loki', 'tempo', 'promtail'],
  ...['jaeger', 'all-in-one', 'otel-lgtm', 'aspire-dashboard', 'seq', 'zipkin', 'cadvisor', 'node-exporter'],
  ...['netdata', 'uptime-kuma', 'sonarqube', 'portainer', 'portainer-ce', 'dozzle', 'watchtower', 'flower'],
  ...['rq-dashboard', 'bull-board', 'temporal', 'auto-setup', 'swagger-ui', 'swagger-editor', 'redoc'],
  ...['traefik-dashboard', 'whoami'],
  // Tests, and browsers for them.
  ...['selenium', 'selenium-hub', 'standalone-chrome', 'standalone-chromium', 'standalone-firefox'],
  ...['browserless', 'playwright', 'cypress', 'e2e', 'ngrok', 'cloudflared'],
  ...['gotenberg', 'imgproxy', 'thumbor'],
];
/** Names that a service of the application itself may contain (`hydra-web`). */
const everyday = new Set(['dex', 'hydra', 'seq', 'tempo', 'unleash', 'flower', 'all-in-one']);
const known = new Set(companions);
const parts = new Set(companions.filter((name) => !everyday.has(name)));

/** A tool that shows the content of a store, by its name alone: `redis-ui`, `db-admin`. */
const storeWindow =
  /^(?:db|database|sql|pg|postgres|postgresql|mysql|mariadb|mongo|mongodb|redis|valkey|kafka|redpanda|rabbitmq|nats|elastic|elasticsearch|opensearch|clickhouse|neo4j|s3|queue|mail|smtp|temporal|celery|docker|vault|consul|ldap)[-_.]?(?:ui|web|webui|admin|console|gui|dashboards?|manager|management|browser|viewer|explorer|monitor|studio|exporter)$/;

/** Vendors whose images are all companions. */
const companionVendors =
  /(?:^|\/)(?:temporalio|redpandadata|provectuslabs|obsidiandynamics|tchiotludo|grafana|prom|jaegertracing|openzipkin|otel|minio|dpage|axllent|mailhog|maildev|rnwood|portainer|localstack|wiremock|mockserver|selenium|keycloak|confluentinc|azure-storage|amir20|sosedoff|rediscommander|mher|cypress)\//;

export function isCompanion(name: string, service: Pick<ComposeService, 'image' | 'build'>): boolean {
  const lower = name.toLowerCase().replace(/[_.]/g, '-');
  // For an image that is built here, only a whole name counts: `temporal-worker` belongs to the application.
  if (service.build) return known.has(lower);
  const image = service.image ?? '';
  const product = imageName(image);
  return (
    known.has(lower) ||
    hasPart(lower) ||
    storeWindow.test(lower) ||
    known.has(product) ||
    storeWindow.test(product) ||
    companionVendors.test(image)
  );
}

/** Whether a companion's name stands between dashes: `auth-keycloak`, `minio-console`. */
function hasPart(name: string): boolean {
  const words = name.split('-');
  return words.some((_, from) =>
    words.some((__, to) => to >= from && parts.has(words.slice(from, to + 1).join('-'))),
  );
}
