// The rate limit's binding, which counts at once, as Workers AI here answers at once.

// By the name of the class the SDK knows what it has to convert values for.
class Ratelimit {
  counts = new Map();

  async limit({ key }) {
    this.counts.set(key, (this.counts.get(key) ?? 0) + 1);
    return { success: true };
  }
}

export default function make() {
  return new Ratelimit();
}
