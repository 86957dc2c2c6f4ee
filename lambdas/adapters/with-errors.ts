/** The port, with every error of its methods passed through `translate`. */
export function withErrors<T extends object>(port: T, translate: (error: unknown) => unknown): T {
  return new Proxy(port, {
    get(target, name, receiver) {
      const member: unknown = Reflect.get(target, name, receiver);
      if (typeof member !== 'function') return member;
      return async (...parameters: unknown[]) => {
        try {
          return await Reflect.apply(member, target, parameters);
        } catch (error) {
          throw translate(error);
        }
      };
    },
  });
}
