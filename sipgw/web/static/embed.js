// The talk button: a frame of the gateway at the lower right, or in the element that data-target names.
// <script src="https://GATEWAY/embed.js" async></script>

(() => {
  const script = document.currentScript, gateway = new URL(script.src).origin, frame = document.createElement("iframe");
  frame.src = `${gateway}/embed`;
  frame.title = script.dataset.title || "Talk to us";
  frame.allow = "microphone; autoplay";
  frame.style.cssText = "border:0;width:20rem;max-width:100vw;height:4rem;color-scheme:normal;background:transparent";
  addEventListener("message", ({ source, origin, data }) => {
    const height = Number(data?.sipgwHeight);
    if (source === frame.contentWindow && origin === gateway && height > 0) frame.style.height = `${Math.min(height, 600)}px`;
  });
  const put = () => {
    const place = script.dataset.target && document.querySelector(script.dataset.target);
    if (!place) frame.style.cssText += ";position:fixed;right:0.5rem;bottom:0.5rem;z-index:2147483000";
    (place || document.body).append(frame);
  };
  if (document.readyState === "loading") addEventListener("DOMContentLoaded", put); // the body may not be there yet
  else put();
})();
