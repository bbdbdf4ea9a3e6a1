// Times as the person's own clock and language have them; without this they are in UTC.

const style = new Intl.DateTimeFormat(document.documentElement.lang, { dateStyle: "medium", timeStyle: "short" });

for (const time of document.querySelectorAll("time[datetime]")) {
  time.textContent = style.format(new Date(time.dateTime));
  time.removeAttribute("dir");
}
