"use strict";
// What every page that plays is given, and what it remembers.

const given = JSON.parse(document.getElementById("play-data").textContent);
const { arrays } = given;
const part = (name) => document.getElementById("play-" + name);
const root = document.documentElement;

let position = 0;
let picked = null; // what was selected in the picture; null follows the player
let playing = false;
