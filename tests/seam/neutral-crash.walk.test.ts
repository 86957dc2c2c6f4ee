import { describe } from 'vitest';
import { describeTale, longTales, type Stage, shortTales } from './crash-tales.ts';
import { plainPlace } from './plain-place.ts';

/** The tales of a crash, where there is no vendor at all. */
const withoutVendors: Stage = {
  async tell(config, tell) {
    const place = plainPlace(config);
    try {
      return await tell(place);
    } finally {
      place.end();
    }
  },
};

/** Each call to a process waits for a real process, so not each call of a long tale is tried. */
const EVERY = 10;

describe('a crash, where there is no vendor at all:', () => {
  for (const tale of shortTales) describeTale(withoutVendors, tale);
  for (const tale of longTales) describeTale(withoutVendors, tale, EVERY);
});
