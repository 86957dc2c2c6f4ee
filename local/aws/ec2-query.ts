/** EC2's query language: parameters as a tree, and the XML of the answers. */

import { escapeXml } from './aws-protocol.ts';
import type { Filter, Page } from './ec2-filters.ts';
import type { Tags } from './ec2-launch.ts';

export type Params = Record<string, unknown>;
/** Query parameters as a tree: `Tag.1.Key=a` is `{ Tag: { 1: { Key: 'a' } } }`. */
export interface Tree {
  [name: string]: string | Tree;
}
export type Xml = string | number | boolean | undefined | { [tag: string]: Xml | Xml[] };
export type XmlFields = { [tag: string]: Xml | Xml[] };

/** Lists become `<item>`s; undefined values are left out. */
export function render(value: Xml | Xml[]): string {
  if (Array.isArray(value)) return value.map((one) => `<item>${render(one)}</item>`).join('');
  if (value === undefined) return '';
  if (typeof value !== 'object') return escapeXml(String(value));
  return Object.entries(value)
    .filter(([, inner]) => inner !== undefined)
    .map(([tag, inner]) => `<${tag}>${render(inner)}</${tag}>`)
    .join('');
}

export function toTree(params: Params): Tree {
  const root: Tree = {};
  for (const [name, value] of Object.entries(params)) {
    if (typeof value !== 'string') continue;
    const parts = name.split('.');
    let at = root;
    for (const part of parts.slice(0, -1)) {
      const below = at[part];
      const next: Tree = typeof below === 'object' ? below : {};
      at[part] = next;
      at = next;
    }
    at[parts.at(-1) ?? ''] = value;
  }
  return root;
}

export function text(tree: Tree, name: string): string | undefined {
  const value = tree[name];
  return typeof value === 'string' ? value : undefined;
}

export function subtree(tree: Tree, name: string): Tree | undefined {
  const value = tree[name];
  return typeof value === 'object' ? value : undefined;
}

export function trees(tree: Tree, name: string): Tree[] {
  return Object.values(subtree(tree, name) ?? {}).filter((value) => typeof value === 'object');
}

export function texts(tree: Tree, name: string): string[] {
  return Object.values(subtree(tree, name) ?? {}).filter((value) => typeof value === 'string');
}

export function optional<Value>(list: Value[]): Value[] | undefined {
  return list.length > 0 ? list : undefined;
}

export function flag(value: string | undefined): boolean | undefined {
  return value === undefined ? undefined : value === 'true';
}

export function readTags(tags: Tree[]): Tags {
  return Object.fromEntries(tags.map((tag) => [text(tag, 'Key') ?? '', text(tag, 'Value') ?? '']));
}

export function readFilters(tree: Tree): Filter[] {
  return trees(tree, 'Filter').map((filter) => ({
    name: text(filter, 'Name') ?? '',
    values: texts(filter, 'Value'),
  }));
}

export function readPage(tree: Tree): Page {
  const maxResults = text(tree, 'MaxResults');
  return {
    maxResults: maxResults === undefined ? undefined : Number(maxResults),
    nextToken: text(tree, 'NextToken'),
  };
}

export function tagsXml(tags: Tags): Xml[] {
  return Object.entries(tags).map(([key, value]) => ({ key, value }));
}
