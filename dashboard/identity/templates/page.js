// A one-time code comes in the address's fragment, which no server and no log ever sees.
const box = document.querySelector('input[name="code"].code');
if (box && location.hash.length > 1) {
  box.value = decodeURIComponent(location.hash.slice(1));
  history.replaceState(null, "", location.pathname + location.search);
}
