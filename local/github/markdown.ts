import { marked } from 'marked';
import sanitizeHtml from 'sanitize-html';

const allowed: sanitizeHtml.IOptions = {
  allowedTags: [
    ...sanitizeHtml.defaults.allowedTags,
    'details',
    'summary',
    'img',
    'del',
    'ins',
    'input',
    'picture',
    'source',
  ],
  allowedAttributes: {
    a: ['href', 'title'],
    img: ['src', 'alt', 'title', 'width', 'height', 'align'],
    source: ['srcset', 'media'],
    code: ['class'],
    details: ['open'],
    input: ['type', 'checked', 'disabled'],
    td: ['align'],
    th: ['align'],
    p: ['align'],
    div: ['align'],
  },
  allowedSchemes: ['http', 'https', 'mailto'],
  // Only the checkbox of a task list is kept, and no other input.
  exclusiveFilter: (frame) => frame.tag === 'input' && frame.attribs['type'] !== 'checkbox',
};

/** A comment's text as people see it: GitHub's Markdown, with line breaks, without HTML comments and scripts. */
export function renderMarkdown(text: string): string {
  const html = marked.parse(text, { async: false, gfm: true, breaks: true });
  return sanitizeHtml(html, allowed);
}
