// Before anything is painted: the theme that was chosen last time, if any.
try {
  const theme = localStorage.getItem("addcat-theme");
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
} catch { /* storage is refused: follow the system */ }
document.documentElement.classList.add("scripted");
