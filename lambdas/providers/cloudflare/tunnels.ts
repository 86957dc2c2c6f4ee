/** Tunnels and DNS records at Cloudflare: the port that the ingress uses and that tests replace with a fake. */
export interface Tunnels {
  /** Finds the tunnel by name, or makes it. */
  ensureTunnel(name: string): Promise<{ id: string }>;
  /** Finds a tunnel by name, for a call whose answer was lost. */
  findTunnel(name: string): Promise<{ id: string } | undefined>;
  /** Sets one catch-all rule to the host's proxy, behind Access. */
  configure(tunnelId: string): Promise<void>;
  token(tunnelId: string): Promise<string>;
  /** Makes a proxied CNAME to the tunnel, with our mark; adopts an existing record only if it carries our mark. */
  ensureRecord(hostname: string, tunnelId: string, environment: string): Promise<{ id: string }>;
  /** Finds a record by name if it carries this environment's mark, for a call whose answer was lost. */
  findRecord(hostname: string, environment: string): Promise<{ id: string } | undefined>;
  deleteRecord(recordId: string): Promise<void>;
  /** Sets a new secret (locks the connector out), deletes connections and tunnel. Transient while one remains. */
  deleteTunnel(tunnelId: string): Promise<void>;
  /** Both list only what has this deployment's mark, and throw rather than return a partial list. */
  listTunnels(): Promise<{ id: string; environment: string; createdAt: number }[]>;
  listRecords(): Promise<ListedRecord[]>;
}

export interface ListedRecord {
  id: string;
  hostname: string;
  /** The tunnel that the record leads to, whether it exists or not. */
  tunnelId: string;
  environment: string;
  createdAt: number;
}
