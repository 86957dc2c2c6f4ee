/** Tunnels and DNS records as Cloudflare has them: the port under the ingress, and what tests make a fake of. */
export interface Tunnels {
  /** Finds it by name or makes it. */
  ensureTunnel(name: string): Promise<{ id: string }>;
  /** By name: for one whose answer was lost. */
  findTunnel(name: string): Promise<{ id: string } | undefined>;
  /** One catch-all rule to the host's proxy, behind Access. */
  configure(tunnelId: string): Promise<void>;
  token(tunnelId: string): Promise<string>;
  /** Proxied CNAME to the tunnel, with our mark; adopts only what carries our mark. */
  ensureRecord(hostname: string, tunnelId: string, environment: string): Promise<{ id: string }>;
  /** By name, if it carries this environment's mark: for one whose answer was lost. */
  findRecord(hostname: string, environment: string): Promise<{ id: string } | undefined>;
  deleteRecord(recordId: string): Promise<void>;
  /** New secret (locks the connector out), connections, tunnel. Throws transient while a connection lingers. */
  deleteTunnel(tunnelId: string): Promise<void>;
  /** With this deployment's mark only; both throw rather than return a partial list. */
  listTunnels(): Promise<{ id: string; environment: string; createdAt: number }[]>;
  listRecords(): Promise<ListedRecord[]>;
}

export interface ListedRecord {
  id: string;
  hostname: string;
  /** The tunnel that it leads to, be it there or not. */
  tunnelId: string;
  environment: string;
  createdAt: number;
}
