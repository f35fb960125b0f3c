"""A dialogue for a cluster: its knowledge base lies on the volume."""

DIALOGUE = """\
name: town
dialogue:
  knowledge: {uri: /bertworks/restaurants.csv}
  ask: {food: {}}
  learn: {enabled: false}
schedule: {cron: "0 3 * * 1", max_concurrency: 2}
"""
