/**
 * Container ports that are not web pages, by what listens there. A published port of this table never gets
 * a URL unless `eph.yaml` names it. Ports with two common meanings (5000, 8000, 9000...) are not in it: the
 * image, the other ports of the service and the names decide those.
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
  'a debugger': [2345, 4711, 5005, 5858, 8787, 9003, 9222, 9229, 9230, 9231, 40000],
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

/** What a container port is known to be, if it is not a web page. */
export function nonHttpPort(port: number): string | undefined {
  return meaning.get(port);
}

/** Within one service, the port that people mean, best first; then the lowest published one. */
export const pagePorts: readonly number[] = [
  80, 3000, 8080, 8000, 5173, 4200, 5000, 8888, 4000, 8081, 3001, 9000, 9090, 443, 8443,
];

/** Images whose published ports are stores and brokers, whatever their number. */
const storeImages =
  /^(?:postgres|postgis|timescaledb|pgvector|pgbouncer|mysql|mysql-server|mariadb|percona|mongo|mongodb|mssql|mssql-server|azure-sql-edge|oracle|redis|redis-stack-server|valkey|keydb|dragonfly|memcached|rabbitmq|kafka|cp-kafka|redpanda|zookeeper|cp-zookeeper|nats|mosquitto|cassandra|scylla|cockroach|couchdb|clickhouse|clickhouse-server|elasticsearch|opensearch|logstash|fluentd|influxdb|neo4j|etcd|vault|consul|zipkin|otel-collector|opentelemetry-collector|opentelemetry-collector-contrib)$/;

/** `docker.io/library/redis:7@sha256:...` -> `redis` */
export function imageName(image: string): string {
  const path = image.split('@')[0] ?? image;
  const last = path.split('/').at(-1) ?? path;
  return (last.split(':')[0] ?? last).toLowerCase();
}

export function isStoreImage(image: string): boolean {
  return storeImages.test(imageName(image));
}

const proxyImages =
  /^(?:nginx|nginx-unprivileged|nginx-proxy|openresty|caddy|traefik|haproxy|envoy|httpd|kong|varnish|swag)$/;

export function isProxyImage(image: string): boolean {
  return proxyImages.test(imageName(image));
}

/** Companions of an application: useful to open, never what a pull request is about. */
const toolNames =
  /^(?:adminer|phpmyadmin|pgadmin4?|pgweb|mongo-express|redis-?commander|redisinsight|mailhog|mailpit|mailcatcher|maildev|minio|localstack|prometheus|grafana|jaeger|all-in-one|zipkin|portainer|dozzle|swagger-ui|storybook|flower|kafka-ui|kowl|console|docs|documentation)$/;

export function isToolName(name: string): boolean {
  return toolNames.test(name.toLowerCase());
}
