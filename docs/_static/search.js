// Sphinx shows what stands around a found word; here that is the text, without the page's menus and what it folds.
Search.htmlToText = (page, anchor) => {
  const text = new DOMParser().parseFromString(page, "text/html").querySelector("article.bd-article");
  if (!text) return "";
  const place = (anchor && text.querySelector(anchor)) || text;
  place.querySelectorAll(".headerlink, h1, script, style, table, nav, details, .explorer-static").forEach((one) => one.remove());
  return place.textContent;
};
