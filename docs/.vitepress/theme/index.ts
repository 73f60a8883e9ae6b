import DefaultTheme from "vitepress/theme";
import "./tables.css";

// The only thing that VitePress takes as a theme.
export default DefaultTheme;
