/** How far one matte is from another: the largest and the mean difference, in [0, 1]. */
export function differences(found, expected) {
  let largest = 0;
  let sum = 0;
  for (let i = 0; i < found.length; i++) {
    const off = Math.abs(found[i] - expected[i]);
    if (!(off <= largest)) largest = off; // also what is not a number
    sum += off;
  }
  return { largest, mean: sum / found.length };
}
