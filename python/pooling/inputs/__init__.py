"""From a study file and tables of houses and counties to the data that programs read."""
