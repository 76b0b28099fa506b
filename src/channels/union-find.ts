/** Disjoint sets over 0, 1, ...; elements are added as they come. The smallest member represents a set, so results do not depend on order. */
export class UnionFind {
  private readonly parent: number[] = [];

  /** Adds `count` elements and returns the first. */
  add(count: number): number {
    const first = this.parent.length;
    for (let i = 0; i < count; i++) this.parent.push(first + i);
    return first;
  }

  get size(): number {
    return this.parent.length;
  }

  find(element: number): number {
    let root = element;
    while (this.parent[root]! !== root) root = this.parent[root]!;
    let at = element;
    while (this.parent[at]! !== root) {
      const next = this.parent[at]!;
      this.parent[at] = root;
      at = next;
    }
    return root;
  }

  /** Joins two sets; true when they were different. */
  union(a: number, b: number): boolean {
    const x = this.find(a);
    const y = this.find(b);
    if (x === y) return false;
    this.parent[Math.max(x, y)] = Math.min(x, y);
    return true;
  }
}
