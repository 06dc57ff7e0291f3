// What the page says, in two languages. Layers, units and classes bring their own names.

const ENGLISH = {
  title: "Soil moisture and drought", skip: "Skip to the date", region: "Region", date: "Date", newest: "Newest",
  earlier: "Earlier date", later: "Later date", map: "Map", layer: "Layer", opacity: "Opacity", find: "Find",
  unit: "Unit", station: "Station", latitude: "Latitude", longitude: "Longitude", show: "Show", place: "Place",
  madeFrom: "What made this date", skill: "How good it is", downloads: "Downloads", close: "Close",
  copyLink: "Copy the link to this view", copied: "Link copied", api: "API (OpenAPI)", licences: "MapLibre GL licence",
  provisional: "Provisional", final: "Final", wholeRegion: "Whole region", choose: "Choose…",
  provisionalNote: "Made before all inputs were final. A later revision may replace it.",
  mapHelp: "Arrow keys move the map, plus and minus zoom, Enter reads the values at the cross in the middle.",
  noWebgl: "This browser cannot draw the map (no WebGL 2). Choose a unit or type coordinates to see the charts.",
  failed: "Could not be loaded: ", nothing: "Nothing is published yet.", noValue: "no value here", outside: "outside the region",
  value: "Value", interval: "90 % interval", observed: "station", nearStation: "Station {name}, {km} km away",
  common: "{n} common days: r {r}, ubRMSD {u}, bias {b} m³/m³", fewCommon: "{n} common days, too few for scores",
  judgedHere: "At this station, which no model saw, the training was judged on {n} days: r {r}, ubRMSE {u}, bias {b} m³/m³",
  eachStation: "Each of {n} stations, the worst first",
  csv: "Table (CSV)", flags: "Quality", noFlags: "no remarks", inputs: "Inputs", models: "Models", checks: "Checks before publication",
  files: "{n} files", trainedUntil: "learned up to {day}", stationsTaught: "{n} stations taught, {m} kept unseen",
  allPassed: "all {n} passed", failedChecks: "{n} of {m} with a warning", noChecks: "none recorded",
  revisions: "Revisions", published: "published {when}", version: "Product version {v}", item: "Item",
  atUnseen: "At stations that no model saw ({first} to {last}), mean over {n} stations:", noSkill: "No training report is here.",
  stage: "Stage", coarse: "coarse input", downscaled: "downscaled", corrected: "product", surface: "surface", rootzone: "root zone",
  roles: "{t} stations taught the models, {u} were kept unseen.", training: "taught the models", unseen: "unseen by the models",
  other: "not used by the models", classShare: "Share of assessed land [%]", unitClass: "Class of the unit",
  assessed: "{p} % of the land assessed", meanPercentile: "mean percentile {p}", noHistory: "No summary of these days.",
  notAssessed: "not assessed", none: "none", loading: "Loading…", soilMoisture: "Soil moisture", percentiles: "Percentile", drought: "Drought",
  uncertainty: "Uncertainty", quality: "Quality", more: "More", description: "Stored item", bytes: "{k} kB",
  chartHelp: "Arrow keys walk through the days, Enter shows the day on the map.", pickDay: "day", noStations: "No station files here.",
};

const KOREAN = {
  title: "토양수분과 가뭄", skip: "날짜로 건너뛰기", region: "지역", date: "날짜", newest: "최신",
  earlier: "이전 날짜", later: "다음 날짜", map: "지도", layer: "레이어", opacity: "불투명도", find: "찾기",
  unit: "행정구역", station: "관측소", latitude: "위도", longitude: "경도", show: "보기", place: "지점",
  madeFrom: "이 날짜의 생산 정보", skill: "정확도", downloads: "내려받기", close: "닫기",
  copyLink: "이 화면의 링크 복사", copied: "링크를 복사했습니다", api: "API (OpenAPI)", licences: "MapLibre GL 라이선스",
  provisional: "잠정", final: "확정", wholeRegion: "전체 지역", choose: "선택…",
  provisionalNote: "일부 입력 자료가 확정되기 전에 만들어졌으며, 이후 개정판으로 바뀔 수 있습니다.",
  mapHelp: "화살표 키로 지도를 이동하고, 더하기·빼기 키로 확대·축소하며, Enter 키로 가운데 십자 위치의 값을 읽습니다.",
  noWebgl: "이 브라우저에서는 지도를 그릴 수 없습니다(WebGL 2 없음). 행정구역을 고르거나 좌표를 입력하면 그래프를 볼 수 있습니다.",
  failed: "불러오지 못했습니다: ", nothing: "아직 발행된 자료가 없습니다.", noValue: "값 없음", outside: "지역 밖",
  value: "값", interval: "90 % 구간", observed: "관측소", nearStation: "관측소 {name}, {km} km 거리",
  common: "공통 {n}일: r {r}, ubRMSD {u}, 편향 {b} m³/m³", fewCommon: "공통 {n}일, 점수를 내기에 부족",
  judgedHere: "모델이 보지 않은 이 관측소에서 학습 결과를 {n}일로 평가: r {r}, ubRMSE {u}, 편향 {b} m³/m³",
  eachStation: "관측소 {n}곳 각각, 나쁜 순서",
  csv: "표 (CSV)", flags: "품질", noFlags: "특이사항 없음", inputs: "입력 자료", models: "모델", checks: "발행 전 점검",
  files: "파일 {n}개", trainedUntil: "{day}까지 학습", stationsTaught: "관측소 {n}곳 학습, {m}곳 검증용",
  allPassed: "{n}개 모두 통과", failedChecks: "{m}개 중 {n}개 경고", noChecks: "기록 없음",
  revisions: "개정", published: "{when} 발행", version: "산출물 버전 {v}", item: "항목",
  atUnseen: "모델이 보지 않은 관측소({first} ~ {last}), {n}곳 평균:", noSkill: "학습 보고서가 없습니다.",
  stage: "단계", coarse: "저해상도 입력", downscaled: "상세화", corrected: "산출물", surface: "표층", rootzone: "근권",
  roles: "관측소 {t}곳은 학습에 쓰였고 {u}곳은 검증용으로 남겼습니다.", training: "모델 학습에 사용", unseen: "모델이 보지 않음",
  other: "모델에 사용하지 않음", classShare: "평가된 토지의 비율 [%]", unitClass: "행정구역 등급",
  assessed: "토지의 {p} % 평가", meanPercentile: "평균 백분위 {p}", noHistory: "이 기간의 요약이 없습니다.",
  notAssessed: "평가 안 함", none: "없음", loading: "불러오는 중…", soilMoisture: "토양수분", percentiles: "백분위", drought: "가뭄",
  uncertainty: "불확실도", quality: "품질", more: "기타", description: "저장된 항목", bytes: "{k} kB",
  chartHelp: "화살표 키로 날짜를 이동하고 Enter 키로 지도에 표시합니다.", pickDay: "일", noStations: "관측소 자료가 없습니다.",
};

const LANGUAGES = { en: ENGLISH, ko: KOREAN };
let language = (navigator.languages ?? [navigator.language]).some((one) => /^ko\b/i.test(one)) ? "ko" : "en";

export const isKorean = () => language === "ko";

export function useLanguage(name) {
  if (name in LANGUAGES) language = name;
  document.documentElement.lang = language;
  for (const element of document.querySelectorAll("[data-text]")) element.textContent = t(element.dataset.text);
  for (const element of document.querySelectorAll("[data-label]")) element.setAttribute("aria-label", t(element.dataset.label));
  document.title = t("title");
}

export function t(key, values = {}) {
  return LANGUAGES[language][key].replace(/\{(\w+)\}/g, (_, name) => values[name] ?? "–");
}

export const named = (thing) => (isKorean() ? thing.korean || thing.name_ko || thing.title || thing.name : thing.title || thing.name);

export function longDate(day) {
  return new Intl.DateTimeFormat(isKorean() ? "ko-KR" : "en-GB",
    { day: "numeric", month: "long", year: "numeric", weekday: isKorean() ? "long" : "short", timeZone: "UTC" }).format(new Date(`${day}T00:00:00Z`));
}

export const figure = (value, decimals) => (value === null || value === undefined ? "–" : value.toFixed(decimals).replace("-", "−"));
