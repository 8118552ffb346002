// Owns the question whether the page's text can be read. The page's tests hand it to the browser, where it runs; so it needs
// nothing of this file but itself.

/** Visible texts whose contrast to what is behind them is below 4.5 (WCAG 2.1, 1.4.3). Runs in the page. */
export function poorContrasts(): string[] {
  const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true })!;
  const rgba = (color: string): number[] => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = color;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const light = (color: string): number => {
    const parts = rgba(color).map((each) =>
      each / 255 <= 0.04045 ? each / 3294.6 : ((each / 255 + 0.055) / 1.055) ** 2.4,
    );
    return 0.2126 * parts[0]! + 0.7152 * parts[1]! + 0.0722 * parts[2]!;
  };
  const behind = (each: Element | null): string => {
    if (each === null) return 'white';
    const bar = each.parentElement?.querySelector(':scope > .bar');
    const { backgroundColor } = getComputedStyle(bar ?? each);
    return rgba(backgroundColor)[3]! > 0 ? backgroundColor : behind(each.parentElement);
  };
  return [...document.querySelectorAll<HTMLElement>('body *')]
    .filter(
      (each) =>
        each.checkVisibility() && [...each.childNodes].some((node) => node instanceof Text && node.data.trim() !== ''),
    )
    .flatMap((each) => {
      const [a, b] = [light(getComputedStyle(each).color), light(behind(each))].sort((x, y) => y - x);
      const contrast = (a! + 0.05) / (b! + 0.05);
      return contrast < 4.5 ? [`${each.id || each.className}: ${contrast.toFixed(2)}`] : [];
    });
}
